"""manage.py retry_operations --all-failed --kind replicate_key --dry-run"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.errors import Conflict
from tenants.management import operations, terminal
from tenants.selectors.fleet import FleetOperation, list_operations
from tenants.services.operations import retry_operation
from tenants.states import OperationState


class Command(BaseCommand):
    """Retry failed steps, after their cause has been mended."""

    help = (
        "Retry failed steps: those of the tenants, kinds and Regions given, or with --all-failed of all."
        " Exit codes: 0 all are retried, 1 nothing was asked for, 3 some could not be."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which ones."""
        parser.add_argument("--all-failed", action="store_true", help="of all tenants")
        operations.add_filters(parser)
        parser.add_argument("--code", action="append", default=[], help="code of their error")
        parser.add_argument("--dry-run", action="store_true", help="show them and change nothing")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Find them, and retry each."""
        if not (options["all_failed"] or options["tenant"]):
            raise CommandError("Name tenants with --tenant, or say --all-failed.")
        found = [
            each
            for each in list_operations(
                states=[OperationState.FAILED], **operations.filters(options), limit=None
            )
            if not options["code"] or each.step.error.get("code") in options["code"]
        ]
        refused = {} if options["dry_run"] else _retry(found)
        if options["json"]:
            document = {
                "dry_run": options["dry_run"],
                "operations": [
                    asdict(each) | {"refused": refused.get(str(each.step.id))} for each in found
                ],
            }
            self.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        else:
            self.stdout.write("\n".join(map(operations.line, found)))
            verb = "would be retried" if options["dry_run"] else "retried"
            self.stdout.write(f"{len(found) - len(refused)} {verb}, {len(refused)} refused.")
            self.stdout.write("\n".join(sorted(set(refused.values()))))
        if refused:
            raise SystemExit(terminal.UNFINISHED)


def _retry(found: list[FleetOperation]) -> dict[str, str]:
    """Retry each; of those that cannot be, why."""
    refused: dict[str, str] = {}
    for each in found:
        try:
            retry_operation(
                tenant_id=each.tenant_id, operation_id=each.step.id, actor=terminal.operator()
            )
        except Conflict as error:
            refused[str(each.step.id)] = f"{error.code}: {error}"
    return refused
