"""manage.py revocation_report acme --refresh --wait"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.management.revocation import show_report
from tenants.selectors import get_tenant
from tenants.selectors.revocation import RegionRefusal, get_revocation_report
from tenants.services.revocation import refresh_revocation


class Command(BaseCommand):
    """Show since when nothing of a tenant is decrypted any more, Region by Region."""

    help = (
        "Show the report of a tenant's latest revocation."
        " Exit codes: 0 proven in every Region, 1 there was none, 3 not proven yet, 4 a step failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug and form."""
        parser.add_argument("slug")
        parser.add_argument(
            "--refresh", action="store_true", help="prove it again, and read the trail again"
        )
        parser.add_argument("--wait", action="store_true", help="wait until that is done")
        parser.add_argument("--timeout", type=float, default=300, help="seconds to wait at most")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read and show."""
        try:
            tenant = get_tenant(options["slug"])
            if options["refresh"]:
                refresh_revocation(tenant_id=tenant.id, actor=terminal.operator())
            if options["wait"]:
                terminal.wait_for(tenant, options["timeout"])
            report = get_revocation_report(tenant.id)
        except TenantError as error:
            raise terminal.refused(error) from error
        self.stdout.write(show_report(tenant.id, as_json=options["json"]))
        if any(region.state == RegionRefusal.FAILED for region in report.regions):
            sys.exit(terminal.FAILED)
        if not report.is_proven:
            sys.exit(terminal.UNFINISHED)
