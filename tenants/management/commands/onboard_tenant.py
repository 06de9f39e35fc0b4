"""manage.py onboard_tenant acme --name Acme --home us-east-2 --regions us-east-2,eu-west-1 --wait"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import get_progress
from tenants.services.onboarding import RegionRuleInput, start_onboarding


class Command(BaseCommand):
    """Plan a tenant's onboarding, which the workers carry out; the same again changes nothing."""

    help = "Onboard a tenant. Exit codes: 0 done (or planned, without --wait), 1 refused, 3 not finished, 4 failed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug, name and Regions."""
        parser.add_argument("slug")
        parser.add_argument("--name", required=True, help="what people call the tenant")
        parser.add_argument("--home", required=True, help="Region of the primary key")
        parser.add_argument("--regions", required=True, help="all its Regions, comma-separated")
        parser.add_argument("--wait", action="store_true", help="wait until the plan is finished")
        parser.add_argument("--timeout", type=float, default=300, help="seconds to wait at most")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Plan, and if asked wait and show."""
        regions = [name.strip() for name in options["regions"].split(",") if name.strip()]
        try:
            tenant = start_onboarding(
                slug=options["slug"],
                name=options["name"],
                home_region=options["home"],
                rules=[RegionRuleInput(region=region) for region in regions],
                actor=terminal.operator(),
            )
        except TenantError as error:
            raise terminal.refused(error) from error
        plan = (
            terminal.wait_for(tenant, options["timeout"])
            if options["wait"]
            else get_progress(tenant.id)
        )
        show = terminal.as_json if options["json"] else terminal.as_text
        self.stdout.write(show(tenant))
        if options["wait"]:
            terminal.end(plan)
