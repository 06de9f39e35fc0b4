"""What happens while the writer is moved: numbered steps with their times, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

# A report names this many of those whom a finding is about; the count is of all.
MOST_NAMES: Final = 100


class Severity(StrEnum):
    """A blocker stops the move unless it is forced; a warning is for the operator to weigh; a fact is neither."""

    BLOCKER = "blocker"
    WARNING = "warning"
    FACT = "fact"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. `names` are slugs of tenants or Regions, and never anything that tenants store."""

    severity: Severity
    code: str
    text: str
    count: int = 0
    names: tuple[str, ...] = ()

    def as_document(self) -> dict[str, Any]:
        """For the report."""
        return {
            "severity": self.severity.value,
            "code": self.code,
            "text": self.text,
            "count": self.count,
            "names": list(self.names),
        }


@dataclass(slots=True)
class Step:
    """One step: when it began, how long it took, and whether it was done, skipped or failed."""

    number: int
    name: str
    started_at: datetime
    milliseconds: int = 0
    outcome: str = "running"

    def as_document(self) -> dict[str, Any]:
        """For the report."""
        return {
            "number": self.number,
            "name": self.name,
            "started_at": stamp(self.started_at),
            "milliseconds": self.milliseconds,
            "outcome": self.outcome,
        }


@dataclass(slots=True)
class Journal:
    """Of one move. `show` is told of each step twice, when it begins and when it has ended."""

    show: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Work that takes time; an error that leaves it is written down, and passes."""
        step = Step(len(self.steps) + 1, name, datetime.now(UTC))
        self.steps.append(step)
        self.show(step)
        began = time.monotonic()
        try:
            yield
        except BaseException:
            step.outcome = "failed"
            raise
        else:
            step.outcome = "done"
        finally:
            step.milliseconds = round((time.monotonic() - began) * 1000)
            self.show(step)

    def skip(self, name: str) -> None:
        """A step that a rehearsal only names."""
        step = Step(len(self.steps) + 1, name, datetime.now(UTC), outcome="rehearsed")
        self.steps.append(step)
        self.show(step)

    def find(
        self, severity: Severity, code: str, text: str, names: Sequence[str] = (), count: int = 0
    ) -> None:
        """Write down what was found. Without a `count` it is that of the names."""
        kept = tuple(sorted(names)[:MOST_NAMES])
        self.findings.append(Finding(severity, code, text, count or len(names), kept))

    @property
    def blockers(self) -> list[Finding]:
        """What speaks against the move."""
        return [each for each in self.findings if each.severity is Severity.BLOCKER]


def stamp(moment: datetime | None) -> str | None:
    """A moment in UTC, to the millisecond: a signed document has one form."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds") if moment else None
