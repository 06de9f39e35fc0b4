"""What the commands about the whole fleet share: a wave, counted, estimated, and run with a bar."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import Any, Final

import orjson
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tenants.management import terminal
from tenants.selectors.region_fleet import TO_START, PlansOfKind, count_fleet, count_plans
from tenants.services.region_fleet import Wave, WaveProgress, estimate, run_wave

_POLL_SECONDS: Final = 0.5


def add_fleet(parser: CommandParser) -> None:
    """One tenant, or all of them."""
    parser.add_argument("slug", nargs="?", help="one tenant")
    parser.add_argument("--all", action="store_true", help="every tenant that needs it")
    parser.add_argument(
        "--at-once", type=int, default=200, help="with --all: plans unfinished at a time"
    )


def run_all(command: BaseCommand, options: dict[str, Any], wave: Wave) -> None:
    """Count and estimate; without --dry-run start the plans, with --wait until the last is finished.

    Ends with 0 when all is started (with --wait: done), 3 when some could not be, or time ran out, 4 when plans of
    this kind have failed. The same again goes on where it was.
    """
    document: dict[str, Any] = {
        "plan": wave.plan.value,
        "region": wave.region,
        "dry_run": options["dry_run"],
        "tenants": count_fleet(wave.plan, wave.region),
        "quotas": [asdict(use) for use in estimate(wave)],
    }
    document["hours"] = max((use["hours"] for use in document["quotas"]), default=0.0)
    code = 0
    if not options["dry_run"]:
        progress, in_time = _run(wave, options, document["tenants"].get(TO_START, 0))
        plans = count_plans(wave.plan)
        document |= _outcome(progress, plans)
        code = _code(progress, plans, in_time)
    command.stdout.write(
        orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
        if options["json"]
        else _text(document)
    )
    if code:
        sys.exit(code)


def _run(wave: Wave, options: dict[str, Any], total: int) -> tuple[WaveProgress, bool]:
    """The outcome, and whether it was reached in time."""
    deadline = time.monotonic() + options["timeout"] if options["wait"] else float("inf")
    progress = WaveProgress()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        line = bar.add_task(wave.plan.value, total=total)
        for progress in run_wave(wave, at_once=options["at_once"]):
            done = progress.started + progress.refused.total()
            bar.update(line, completed=done, description=f"{progress.active} at work")
            if time.monotonic() > deadline:
                return progress, False
            if progress.active >= options["at_once"]:
                time.sleep(_POLL_SECONDS)
        while options["wait"] and (active := count_plans(wave.plan).active):
            bar.update(line, description=f"{active} at work")
            if time.monotonic() > deadline:
                return progress, False
            time.sleep(_POLL_SECONDS)
    return progress, True


def _outcome(progress: WaveProgress, plans: PlansOfKind) -> dict[str, Any]:
    refused = [
        {"code": code, "tenants": count, "examples": progress.examples[code]}
        for code, count in sorted(progress.refused.items())
    ]
    return {"started": progress.started, "refused": refused} | asdict(plans)


def _code(progress: WaveProgress, plans: PlansOfKind, in_time: bool) -> int:
    if plans.failed:
        return terminal.FAILED
    return 0 if in_time and not progress.refused else terminal.UNFINISHED


def _text(document: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in document["tenants"].items())
    lines = [f"{document['plan']} {document['region']}: {counts or 'no tenants'}"]
    if document["quotas"]:
        slowest = document["quotas"][0]
        lines.append(
            f"  at least {document['hours']:.2f} hours: {slowest['calls']} {slowest['api']} in {slowest['region']}"
            f" at {slowest['per_second']:g} a second"
        )
    if not document["dry_run"]:
        lines.append(
            f"  {document['started']} started, {document['active']} at work, {document['failed']} failed"
        )
        lines += [
            f"  {each['tenants']} refused: {each['code']}, for example {', '.join(each['examples'])}"
            for each in document["refused"]
        ]
    if document.get("failed"):
        lines.append(f"  failed: {', '.join(document['examples'])}")
    return "\n".join(lines)
