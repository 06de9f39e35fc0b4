"""manage.py encrypt_field crm.Person.email_plain --into email"""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.fields.adoption import Adoption, Coverage
from tenants.fields.batches import Outcome, encrypted_field
from tenants.management import columns
from tenants.management.terminal import UNFINISHED

STEPS = """\
{source} goes to {target} in three steps:
  1. Add {target} with null=True and deploy code that writes both fields.
  2. Run this command until nothing is left, then once with --verify.
  3. Read {target} alone, drop {source}; make {target} NOT NULL if it is to be."""


class Command(BaseCommand):
    """Seal one column's values into another of the same rows; stopped and started again it goes on."""

    help = (
        "Fill an encrypted field from another field of the same rows. Exit codes: 0 nothing left, 1 refused, 3 rows"
        " left or, with --verify, rows that differ."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """From where, into what."""
        columns.add_arguments(parser)
        parser.add_argument("--into", required=True, help="the encrypted field of the same model")
        parser.add_argument(
            "--resume", action="store_true", help="go on: the field has values already"
        )
        parser.add_argument(
            "--verify", action="store_true", help="open all and compare, write nothing"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run, or compare."""
        rows, source = columns.rows_and_field(options)
        try:
            target = encrypted_field(rows.model, options["into"])
        except FieldDoesNotExist as error:
            raise CommandError(str(error)) from error
        adoption = Adoption(rows, source, target)
        if options["verify"]:
            outcome = adoption.verify(options["batch"])
            self._say(f"{outcome.written} rows are equal, {outcome.changed} differ.", outcome)
            left = outcome.changed + sum(outcome.faults.values())
        else:
            left = self._run(adoption, options)
        if left:
            sys.exit(UNFINISHED)

    def _run(self, adoption: Adoption, options: dict[str, Any]) -> int:
        before = adoption.coverage()
        if before.done and not options["resume"] and not options["dry_run"]:
            raise CommandError(
                f"{adoption.target.label} has {before.done} values already: pass --resume to go on."
            )
        names = {"source": adoption.source.name, "target": adoption.target.name}
        self.stdout.write(STEPS.format(**names))
        outcome = adoption.run(options["batch"], dry=options["dry_run"])
        after = adoption.coverage()
        verb = "would be sealed" if options["dry_run"] else "sealed"
        self._say(f"{outcome.written} {verb}, {outcome.changed} had changed meanwhile.", outcome)
        self.stdout.write(_shown(after))
        return 0 if options["dry_run"] else after.left

    def _say(self, text: str, outcome: Outcome) -> None:
        self.stdout.write("\n".join([text, *columns.faults(outcome)]))


def _shown(coverage: Coverage) -> str:
    share = 100 * coverage.done // coverage.total if coverage.total else 100
    return f"Coverage: {coverage.done} of {coverage.total} ({share} %), {coverage.left} left."
