"""manage.py offboarding_certificate acme > acme-certificate.json"""

from __future__ import annotations

import sys
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import NotFound, TenantError
from tenants.management import terminal
from tenants.management.offboarding import show_offboarding
from tenants.selectors import get_tenant
from tenants.selectors.offboarding import get_certificate, get_offboarding


class Command(BaseCommand):
    """Show the signed certificate of a tenant's end, or how far that is."""

    help = (
        "Write the certificate of a tenant's end to standard output, as JSON."
        " Exit codes: 0 there it is, 1 nobody asked for an end, 3 not finished: how far it is stands on standard error."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug."""
        parser.add_argument("slug")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read and show."""
        try:
            tenant = get_tenant(options["slug"])
            view = get_offboarding(tenant.id)
            found = get_certificate(tenant.id) if view.has_certificate else None
        except (NotFound, TenantError) as error:
            raise terminal.refused(error) from error
        if found is None:
            self.stderr.write(show_offboarding(tenant.slug, view, as_json=False))
            sys.exit(terminal.UNFINISHED)
        self.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
