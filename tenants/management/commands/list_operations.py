"""manage.py list_operations --state failed --kind replicate_key --json"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from tenants.management import operations, terminal
from tenants.selectors.fleet import UNFINISHED, count_operations, list_operations
from tenants.states import OperationState


class Command(BaseCommand):
    """Show the key work of all tenants that is not finished."""

    help = (
        "Show the steps of all tenants that failed, run, are due or paused, and how many there are of each kind."
        " Exit codes: 0 none, 3 some are under way, 4 some have failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which, how many and in which form."""
        parser.add_argument("--state", action="append", choices=OperationState.values)
        operations.add_filters(parser)
        parser.add_argument("--limit", type=int, default=100, help="steps to list at most")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read and show."""
        which: Any = {
            "states": options["state"] or UNFINISHED,
            **operations.filters(options),
        }
        counts = count_operations(**which)
        found = list_operations(**which, limit=max(options["limit"], 0))
        if options["json"]:
            document = {
                "counts": [asdict(count) for count in counts],
                "operations": [asdict(each) for each in found],
            }
            self.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        else:
            lines = [f"{c.count:>7}  {c.state:<8}  {c.kind} {c.region}" for c in counts]
            self.stdout.write("\n".join([*lines, *map(operations.line, found)]) or "None.")
        states = {count.state for count in counts}
        if OperationState.FAILED in states:
            sys.exit(terminal.FAILED)
        if states & {*UNFINISHED, OperationState.PLANNED}:
            sys.exit(terminal.UNFINISHED)
