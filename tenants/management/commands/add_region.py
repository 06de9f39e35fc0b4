"""manage.py add_region us-west-1 acme --wait, or manage.py add_region us-west-1 --all --dry-run"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.management import fleet, regions, terminal
from tenants.services.region_addition import addition_steps, start_region_addition
from tenants.services.region_fleet import Wave
from tenants.services.rules import RegionRuleInput
from tenants.states import PlanKind


class Command(BaseCommand):
    """Add a Region to one tenant or to all: a replica key there, proven before it serves."""

    help = (
        "Add a Region to a tenant, or to all that lack it. Exit codes: 0 done (or planned, without --wait),"
        " 1 refused, 3 not finished, 4 failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Region, whose, and the rule of the Region."""
        parser.add_argument("region")
        fleet.add_fleet(parser)
        parser.add_argument("--no-encrypt", action="store_true", help="it only decrypts")
        parser.add_argument(
            "--decrypt",
            default="*",
            help="classifications, comma-separated; * for all, '' for none",
        )
        regions.add_ways(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """One tenant, or the fleet."""
        if bool(options["slug"]) == options["all"]:
            raise CommandError("Name a tenant, or say --all.")
        region = options["region"]
        rule = RegionRuleInput(
            region=region,
            may_encrypt=not options["no_encrypt"],
            may_decrypt=tuple(
                name.strip() for name in options["decrypt"].split(",") if name.strip()
            ),
        )
        start = partial(start_region_addition, rule=rule, actor=terminal.operator())
        if options["all"]:
            fleet.run_all(
                self,
                options,
                Wave(
                    plan=PlanKind.REGION_ADDED,
                    region=region,
                    start=lambda tenant_id: start(tenant_id=tenant_id),
                    steps=lambda tenant, rules: addition_steps(tenant, region, rules),
                ),
            )
        else:
            regions.run_one(
                self,
                options,
                lambda tenant: start(tenant_id=tenant.id),
                f"{options['slug']} has {region} already.",
            )
