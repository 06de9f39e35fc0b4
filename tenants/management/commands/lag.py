"""manage.py lag --json"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors.lag import RegionLag, list_region_lag
from tenants.selectors.writer import WriterView, get_writer


class Command(BaseCommand):
    """Show where the writer is, and how far each Region's reader is behind it."""

    help = (
        "Show how far each Region's reader is behind the writer. Exit codes: 0 all are within the bound, 1 no database"
        " answers, 4 one is beyond it, or was not heard of for as long."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Bound and form."""
        parser.add_argument(
            "--bound",
            type=float,
            default=settings.GATEWAY_READER_BEHIND_SECONDS or 15,
            metavar="SECONDS",
            help="default: GATEWAY_READER_BEHIND_SECONDS, which is %(default)s",
        )
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read and show."""
        try:
            writer, regions = get_writer(), list_region_lag()
        except TenantError as error:
            raise terminal.refused(error) from error
        bound = options["bound"]
        show = _as_json if options["json"] else _as_text
        self.stdout.write(show(writer, regions, bound))
        if any(each.is_beyond(bound) for each in regions):
            sys.exit(terminal.FAILED)


def _as_json(writer: WriterView, regions: list[RegionLag], bound: float) -> str:
    document = {
        "writer": asdict(writer),
        "bound_seconds": bound,
        "regions": [asdict(each) | {"is_beyond": each.is_beyond(bound)} for each in regions],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _as_text(writer: WriterView, regions: list[RegionLag], bound: float) -> str:
    lines = [f"Writer: {writer.region or 'not told'}, epoch {writer.epoch}"]
    for each in regions:
        mark = f"  beyond {bound:g} s" if each.is_beyond(bound) else ""
        lines.append(
            f"{each.region:<15} {each.behind_seconds:>7.1f} s behind,"
            f" measured {each.measured_seconds_ago:.0f} s ago{mark}"
        )
    return "\n".join(lines)
