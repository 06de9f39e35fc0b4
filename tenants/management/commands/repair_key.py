"""manage.py repair_key acme --region eu-west-1 --wait"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from tenants.management import renewal, terminal
from tenants.selectors import TenantView
from tenants.selectors.drift import list_drift
from tenants.services.reconciliation import start_repair


class Command(BaseCommand):
    """Put right what drifts of a tenant's keys, and verify them."""

    help = f"Repair what drifts of a tenant's keys. {renewal.EXIT_CODES}"

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant, Regions, and whether a disabled key is enabled."""
        renewal.add_arguments(parser)
        parser.add_argument(
            "--region", action="append", default=[], help="this Region; all where none is named"
        )
        parser.add_argument(
            "--enable", action="store_true", help="enable a disabled key: was it an emergency stop?"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Start the plan."""
        regions, enable = options["region"], options["enable"]

        def start(tenant: TenantView) -> UUID:
            return start_repair(
                tenant_id=tenant.id, regions=regions, enable=enable, actor=terminal.operator()
            )

        def planned(tenant: TenantView) -> str:
            keys = [key for key in list_drift(tenant.id) if not regions or key.region in regions]
            drifts = [f"{one.what} in {key.region}" for key in keys for one in key.drift]
            return f"would compare anew and repair; last seen to drift: {', '.join(drifts) or 'nothing'}"

        renewal.run(self, options, start=start, planned=planned)
