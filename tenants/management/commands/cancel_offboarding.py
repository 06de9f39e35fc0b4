"""manage.py cancel_offboarding acme --wait"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.management.offboarding import show_offboarding
from tenants.selectors import get_tenant
from tenants.selectors.offboarding import get_offboarding
from tenants.services.offboarding import cancel_offboarding
from tenants.states import OffboardingState


class Command(BaseCommand):
    """Call off the end of a tenant, and bring it back where its keys wait for their deletion already."""

    help = (
        "Cancel the end of a tenant."
        " Exit codes: 0 cancelled (with --wait: and restored), 1 refused, 3 not finished, 4 failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug."""
        parser.add_argument("slug")
        terminal.add_plan_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Cancel, and if asked wait until the tenant is back."""
        try:
            tenant = get_tenant(options["slug"])
            before = view = get_offboarding(tenant.id)
            if not options["dry_run"]:
                view = cancel_offboarding(tenant_id=tenant.id, actor=terminal.operator())
        except TenantError as error:
            raise terminal.refused(error) from error
        goes_back = before.state == OffboardingState.APPROVED and view.plan_id is not None
        plan = None
        if options["wait"] and goes_back and not options["dry_run"]:
            plan = terminal.wait_for(tenant, options["timeout"])
        self.stdout.write(show_offboarding(tenant.slug, view, as_json=options["json"]))
        if plan:
            terminal.end(plan)
