"""manage.py reencrypt_records acme --wait"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.management import renewal, terminal
from tenants.selectors import TenantView
from tenants.selectors.key_usage import list_key_usage, parts_left
from tenants.services.reencryption import start_reencryption


class Command(BaseCommand):
    """Move a tenant's records to its current key and key material, while it reads and writes."""

    help = (
        "Re-encrypt a tenant's records that are under an old key or old key material. Values in Django models of other"
        f" apps are moved by reencrypt_field. {renewal.EXIT_CODES}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant, waiting, form."""
        renewal.add_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Start the plan."""
        renewal.run(
            self,
            options,
            start=lambda tenant: start_reencryption(tenant_id=tenant.id, actor=terminal.operator()),
            planned=_planned,
        )


def _planned(tenant: TenantView) -> str:
    usage = list_key_usage(tenant.id)
    total = sum(each.parts for each in usage)
    return (
        f"would re-encrypt {parts_left(usage):,} of {total:,} sealed parts, and more where KMS has rotated the key"
        " by itself since we last asked"
    )
