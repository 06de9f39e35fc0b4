"""manage.py remove_region us-west-1 acme --waiting-days 30 --wait, or the same with --cancel"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from tenants.management import regions, terminal
from tenants.selectors import TenantView
from tenants.services.deletion import MOST_DAYS
from tenants.services.region_removal import cancel_region_removal, start_region_removal


class Command(BaseCommand):
    """Remove a Region from a tenant, or keep one that it is leaving."""

    help = (
        "Remove a Region from a tenant: it serves no more at once, and its key is deleted after a wait, in which"
        " --cancel brings all of it back. Exit codes: 0 done (or planned, without --wait), 1 refused,"
        " 3 not finished, 4 failed. --wait ends when nothing is left but KMS's own wait."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Region, tenant, and how long KMS waits."""
        parser.add_argument("region")
        parser.add_argument("slug")
        parser.add_argument(
            "--waiting-days", type=int, default=MOST_DAYS, help="7 to 30, default 30"
        )
        parser.add_argument("--cancel", action="store_true", help="keep the Region after all")
        regions.add_ways(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Plan it, and if asked wait and show."""
        region, actor = options["region"], terminal.operator()

        def start(tenant: TenantView) -> UUID:
            if options["cancel"]:
                return cancel_region_removal(tenant_id=tenant.id, region=region, actor=actor)
            return start_region_removal(
                tenant_id=tenant.id,
                region=region,
                waiting_days=options["waiting_days"],
                actor=actor,
            )

        regions.run_one(self, options, start, f"A plan for {region} is under way already.")
