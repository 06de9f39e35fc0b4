"""manage.py move_primary us-west-1 acme --wait, or manage.py move_primary us-west-1 --all --dry-run --json"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.management import fleet, regions, terminal
from tenants.services.promotion import promotion_steps, start_promotion
from tenants.services.region_fleet import Wave
from tenants.states import PlanKind


class Command(BaseCommand):
    """Move the primary of one tenant's key, or of all, to another Region."""

    help = (
        "Move the primary to another Region of the tenant, or of all tenants that have it. Both Regions must answer:"
        " this is no remedy for an outage, and none needs it. Exit codes: 0 done (or planned, without --wait),"
        " 1 refused, 3 not finished, 4 failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Region, and whose."""
        parser.add_argument("region", help="where the primary is to be")
        fleet.add_fleet(parser)
        regions.add_ways(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """One tenant, or the fleet."""
        if bool(options["slug"]) == options["all"]:
            raise CommandError("Name a tenant, or say --all.")
        region = options["region"]
        start = partial(start_promotion, region=region, actor=terminal.operator())
        if options["all"]:
            fleet.run_all(
                self,
                options,
                Wave(
                    plan=PlanKind.PROMOTION,
                    region=region,
                    start=lambda tenant_id: start(tenant_id=tenant_id),
                    steps=lambda tenant, rules: promotion_steps(
                        tenant, old=tenant.home_region, new=region, rules=rules
                    ),
                ),
            )
        else:
            regions.run_one(
                self,
                options,
                lambda tenant: start(tenant_id=tenant.id),
                f"The primary of {options['slug']} is in {region} already.",
            )
