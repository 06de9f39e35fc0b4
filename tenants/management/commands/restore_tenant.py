"""manage.py restore_tenant acme --wait"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import get_progress, get_tenant
from tenants.services.restoration import restore_tenant


class Command(BaseCommand):
    """Bring a revoked tenant back: its keys are enabled and proven before it is served."""

    help = (
        "Restore a revoked tenant."
        " Exit codes: 0 done (or planned, without --wait), 1 refused, 3 not finished, 4 failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug."""
        parser.add_argument("slug")
        terminal.add_plan_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Plan, and if asked wait."""
        try:
            tenant = get_tenant(options["slug"])
            if options["dry_run"]:
                self.stdout.write(f"{tenant.slug} is {tenant.state}, and would be restored.")
                return
            restore_tenant(tenant_id=tenant.id, actor=terminal.operator())
        except TenantError as error:
            raise terminal.refused(error) from error
        plan = (
            terminal.wait_for(tenant, options["timeout"])
            if options["wait"]
            else get_progress(tenant.id)
        )
        show = terminal.as_json if options["json"] else terminal.as_text
        self.stdout.write(show(get_tenant(tenant.slug)))
        if options["wait"]:
            terminal.end(plan)
