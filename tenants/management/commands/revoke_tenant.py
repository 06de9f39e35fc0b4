"""manage.py revoke_tenant acme --reason "An API key was leaked" --wait"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.management.revocation import show_report
from tenants.selectors import get_progress, get_tenant
from tenants.services.revocation import revoke_tenant


class Command(BaseCommand):
    """Stop every use of a tenant's keys in all Regions, now."""

    help = (
        "Revoke a tenant; asks for its slug once more unless --yes."
        " Exit codes: 0 revoked (with --wait: and proven), 1 refused, 3 not proven yet, 4 a step failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug and reason."""
        parser.add_argument("slug")
        parser.add_argument("--reason", required=True, help="why; it stands in the audit log")
        parser.add_argument("--yes", action="store_true", help="do not ask for the slug again")
        terminal.add_plan_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Ask, revoke, and if asked wait for the proof."""
        try:
            tenant = get_tenant(options["slug"])
            if options["dry_run"]:
                self.stdout.write(f"{tenant.slug} is {tenant.state}, and would be revoked.")
                return
            terminal.confirm(tenant.slug, "Revoke", yes=options["yes"])
            revoke_tenant(tenant_id=tenant.id, reason=options["reason"], actor=terminal.operator())
        except TenantError as error:
            raise terminal.refused(error) from error
        plan = (
            terminal.wait_for(tenant, options["timeout"])
            if options["wait"]
            else get_progress(tenant.id)
        )
        self.stdout.write(show_report(tenant.id, as_json=options["json"]))
        if options["wait"]:
            terminal.end(plan)
