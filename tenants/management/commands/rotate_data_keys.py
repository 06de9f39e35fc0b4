"""manage.py rotate_data_keys acme --reencrypt --wait"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.management import renewal, terminal
from tenants.selectors import TenantView
from tenants.selectors.key_usage import list_key_usage
from tenants.services.data_keys import retire_data_keys


class Command(BaseCommand):
    """Let no new value be sealed under a data key that is there now. The key in KMS stays as it is."""

    help = f"Replace a tenant's data keys. {renewal.EXIT_CODES}"

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant, and what follows."""
        renewal.add_arguments(parser)
        renewal.add_reencrypt(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Start the plan."""
        reencrypt = options["reencrypt"]

        def planned(tenant: TenantView) -> str:
            parts = sum(each.parts for each in list_key_usage(tenant.id))
            follows = f"and re-encrypt {parts:,} sealed parts" if reencrypt else "from now on"
            return f"would replace the data keys {follows}"

        renewal.run(
            self,
            options,
            start=lambda tenant: retire_data_keys(
                tenant_id=tenant.id, actor=terminal.operator(), reencrypt=reencrypt
            ),
            planned=planned,
        )
