"""manage.py request_offboarding acme --reason "The contract ends" --waiting-days 30"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.management.offboarding import show_offboarding
from tenants.selectors import get_tenant
from tenants.services.deletion import LEAST_DAYS, MOST_DAYS
from tenants.services.offboarding import request_offboarding


class Command(BaseCommand):
    """Ask for the end of a tenant. Nothing happens before a member of the tenant approves it in the console."""

    help = "Request the end of a tenant, which a member of it must approve. Exit codes: 0 requested, 1 refused."

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug, reason and days."""
        parser.add_argument("slug")
        parser.add_argument("--reason", required=True, help="why; it stands in the certificate")
        parser.add_argument(
            "--waiting-days",
            type=int,
            default=MOST_DAYS,
            help=f"{LEAST_DAYS} to {MOST_DAYS}, in which it can be called off (default %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="show and change nothing")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Request and show."""
        try:
            tenant = get_tenant(options["slug"])
            if options["dry_run"]:
                self.stdout.write(f"{tenant.slug} is {tenant.state}; its end would be requested.")
                return
            view = request_offboarding(
                tenant_id=tenant.id,
                reason=options["reason"],
                waiting_days=options["waiting_days"],
                actor=terminal.operator(),
            )
        except TenantError as error:
            raise terminal.refused(error) from error
        self.stdout.write(show_offboarding(tenant.slug, view, as_json=options["json"]))
