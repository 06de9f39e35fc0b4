"""manage.py key_drift acme"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import get_tenant
from tenants.selectors.drift import RegionalDrift, list_drift


class Command(BaseCommand):
    """Show how a tenant's keys differ from what they should be, as the workers last saw them."""

    help = (
        "Show a tenant's drift. Exit codes: 0 nothing drifts, 1 no such tenant, 4 something drifts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant and form."""
        parser.add_argument("slug")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read and show."""
        try:
            keys = list_drift(get_tenant(options["slug"]).id)
        except TenantError as error:
            raise terminal.refused(error) from error
        if options["json"]:
            document = [asdict(key) for key in keys]
            self.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        else:
            self.stdout.write("\n".join(line for key in keys for line in _lines(key)))
        if any(key.drift for key in keys):
            sys.exit(terminal.FAILED)


def _lines(key: RegionalDrift) -> Iterator[str]:
    when = f"compared at {key.checked_at:%Y-%m-%d %H:%M:%S}" if key.checked_at else "never compared"
    yield f"{key.region}  {when}  {'DRIFTS' if key.drift else 'as desired'}"
    for one in key.drift:
        how = "a machine may repair it" if one.repairable else "for a person to decide"
        yield f"  {one.what} ({one.severity}, {how})"
        if one.statements:
            yield from (f"    {each['text']}" for each in one.statements)
        else:
            yield f"    desired: {one.desired}"
            yield f"    found:   {one.found}"
