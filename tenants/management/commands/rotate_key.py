"""manage.py rotate_key acme --reencrypt --wait"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from tenants.management import renewal, terminal
from tenants.selectors import TenantView
from tenants.selectors.key_usage import get_key_rotation
from tenants.services.rotation import MOST_ON_DEMAND, rotate_key, set_rotation


class Command(BaseCommand):
    """Rotate a tenant's key now, or with --every set how often KMS rotates it by itself."""

    help = f"Rotate a tenant's key in KMS. {renewal.EXIT_CODES}"

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant, and what follows."""
        renewal.add_arguments(parser)
        either = parser.add_mutually_exclusive_group()
        renewal.add_reencrypt(either)
        either.add_argument(
            "--every",
            type=int,
            metavar="DAYS",
            help="do not rotate now, but each so many days (90 to 2560; 0: not by itself)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Start the plan."""
        days, reencrypt = options["every"], options["reencrypt"]

        def start(tenant: TenantView) -> UUID:
            if days is not None:
                return set_rotation(tenant_id=tenant.id, days=days, actor=terminal.operator())
            return rotate_key(tenant_id=tenant.id, actor=terminal.operator(), reencrypt=reencrypt)

        def planned(tenant: TenantView) -> str:
            found = get_key_rotation(tenant.id)
            if days is not None:
                return f"every {found.days} days now, would be every {days} days (0: not by itself)"
            follows = (
                "and re-encrypt all records" if reencrypt else "and leave the records as they are"
            )
            left = MOST_ON_DEMAND - found.on_demand_rotations
            return f"would rotate the key, replace its data keys {follows}; {left} of {MOST_ON_DEMAND} are left"

        renewal.run(self, options, start=start, planned=planned)
