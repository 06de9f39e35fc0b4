"""Tables in Markdown, which read well in a terminal too, and the files of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
_WORDS = {True: "PASS", False: "FAIL", None: "not measured"}


class Verdict(NamedTuple):
    """One promise: what was promised, what was found, and whether that keeps it. None: it could not be measured."""

    promise: str
    found: str
    kept: bool | None


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with aligned columns, numbers to the right of the first."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = [
        "-" * width if column == 0 else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    return "\n".join(_line(line, widths) for line in [lines[0], rule, *lines[1:]])


def facts_table(facts: Mapping[str, str]) -> str:
    """Names and values."""
    return table(("ran on", ""), facts.items())


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """The promises and whether they were kept."""
    return table(
        ("promise", "found", "verdict"),
        ((verdict.promise, verdict.found, _WORDS[verdict.kept]) for verdict in verdicts),
    )


def write_results(name: str, *, markdown: str, data: Mapping[str, Any], folder: Path) -> None:
    """`name`.md and `name`.json in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown)
    (folder / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "| " + " | ".join([first, *others]) + " |"
