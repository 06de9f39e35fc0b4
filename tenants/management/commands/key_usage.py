"""manage.py key_usage acme --json"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import get_tenant
from tenants.selectors.key_usage import KeyUsage, list_key_usage, parts_left


class Command(BaseCommand):
    """Show how many sealed parts are under which key and key material."""

    help = (
        "Show what of a tenant is sealed under which key. Exit codes: 0 nothing left under old keys or old key"
        " material, 1 no such tenant, 3 something left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant and form."""
        parser.add_argument("slug")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read and show."""
        try:
            usage = list_key_usage(get_tenant(options["slug"]).id)
        except TenantError as error:
            raise terminal.refused(error) from error
        left = parts_left(usage)
        if options["json"]:
            document = {"usage": [asdict(each) for each in usage], "parts_left": left}
            self.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        else:
            self.stdout.write("\n".join([*map(_line, usage), f"{left:,} sealed parts are left."]))
        if left:
            raise SystemExit(terminal.UNFINISHED)


def _line(each: KeyUsage) -> str:
    age = "current" if each.is_current else "old"
    material = each.key_material_id[:12] or "-"
    return (
        f"{each.parts:>12,} parts  {each.data_keys:>6,} data keys  {each.purpose:<6}  {age:<7}"
        f"  material {material}  {each.key_arn}"
    )
