"""manage.py orphans --schedule 0198..."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants import consistency
from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors.drift import OrphanView, list_orphans
from tenants.services.orphan_decisions import adopt_orphan, schedule_orphan


class Command(BaseCommand):
    """List keys with our tag that no tenant owns, and decide what becomes of them."""

    help = (
        "List keys that no tenant owns, as the workers last found them; or decide on one."
        " Exit codes: 0 there is none (or it is decided on), 1 refused, 4 there are some to decide on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to decide, and the form."""
        decision = parser.add_mutually_exclusive_group()
        decision.add_argument(
            "--adopt", type=UUID, metavar="ID", help="let the tenant of its tag take it"
        )
        decision.add_argument(
            "--schedule", type=UUID, metavar="ID", help="let KMS delete it after 30 days"
        )
        parser.add_argument("--dry-run", action="store_true", help="decide nothing, only show it")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Decide, or list."""
        chosen = options["adopt"] or options["schedule"]
        found = list_orphans()
        if chosen:
            found = [one for one in found if one.id == chosen and not one.resolution]
            if not found:
                raise CommandError("not_found: No such orphan, or it is decided on.")
            if not options["dry_run"]:
                self._decide(adopt=options["adopt"], schedule=options["schedule"])
                consistency.required.set(consistency.written.get())
                found = [one for one in list_orphans() if one.id == chosen]
        self._show(found, as_json=options["json"])
        if not chosen and any(not one.resolution for one in found):
            sys.exit(terminal.FAILED)

    def _decide(self, *, adopt: UUID | None, schedule: UUID | None) -> None:
        try:
            if adopt:
                adopt_orphan(orphan_id=adopt, actor=terminal.operator())
            elif schedule:
                schedule_orphan(orphan_id=schedule, actor=terminal.operator())
        except TenantError as error:
            raise terminal.refused(error) from error

    def _show(self, found: list[OrphanView], *, as_json: bool) -> None:
        if as_json:
            document = [asdict(one) for one in found]
            self.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
            return
        for one in found:
            tenant = one.tags.get("mrk-gateway:tenant", "-")
            self.stdout.write(
                f"{one.id}  {one.region}  {one.key_state}  tenant {tenant}"
                f"  {one.resolution or 'to be decided on'}  {one.arn}"
            )
        if not found:
            self.stdout.write("None is left to be decided on.")
