"""manage.py reencrypt_field crm.Person.email --before 2026-11-01"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from tenants.fields.batches import encrypted_field
from tenants.fields.rotation import Rotation, Version
from tenants.management import columns
from tenants.management.terminal import UNFINISHED

_MOST_LINES = 50


class Command(BaseCommand):
    """Move a field's values to the tenant's present data key; stopped and started again it goes on."""

    help = (
        "Seal values anew that are under old key material of their tenant, or with --before under a data key that was"
        " made before then. Also makes missing search tokens. Exit codes: 0 nothing left, 1 refused, 3 rows left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which values are old."""
        columns.add_arguments(parser)
        parser.add_argument("--before", help="a date or time, ISO 8601, or `now`")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run, and count."""
        rows, field = columns.rows_and_field(options)
        try:
            target = encrypted_field(rows.model, field.name)
        except FieldDoesNotExist as error:
            raise CommandError(str(error)) from error
        rotation = Rotation(rows, target, _moment(options["before"]))
        outcome = rotation.run(options["batch"], dry=options["dry_run"])
        verb = "would be moved" if options["dry_run"] else "moved"
        self.stdout.write(f"{outcome.written} {verb}, {outcome.changed} had changed meanwhile.")
        self.stdout.write("\n".join(columns.faults(outcome)))
        versions = rotation.versions(options["batch"])
        self.stdout.write("\n".join(_lines(versions)))
        left = sum(count for (_version, is_left), count in versions.items() if is_left)
        self.stdout.write(f"{left} left of {versions.total()}.")
        if left and not options["dry_run"]:
            sys.exit(UNFINISHED)


def _moment(text: str | None) -> datetime | None:
    if text is None or text == "now":
        return timezone.now() if text else None
    try:
        found = parse_datetime(text)
        if found is None and (day := parse_date(text)):
            found = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - made aware below
    except ValueError:
        found = None
    if found is None:
        raise CommandError("--before takes a date or time, ISO 8601, or `now`.")
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def _lines(versions: Counter[tuple[Version, bool]]) -> list[str]:
    """A line for each tenant, key material and day on which data keys were made, the most frequent first."""
    days: Counter[str] = Counter()
    for (version, is_left), count in versions.items():
        made = (
            f"data keys of {version.made_at:%Y-%m-%d}" if version.made_at else "unknown data keys"
        )
        material = version.key_material[:12] or "?"
        left = "left" if is_left else "done"
        days[f"tenant {version.tenant}  key material {material}  {made}  {left}"] += count
    shown = [f"  {count:>9}  {line}" for line, count in days.most_common(_MOST_LINES)]
    return shown + ([f"  and {len(days) - _MOST_LINES} more"] if len(days) > _MOST_LINES else [])
