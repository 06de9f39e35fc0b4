"""Whose key a tenant uses, with whom it shares it, and which keys it had before. For operators: a pool's name is
another tenant's row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenants.models import PreviousKey, TenantKey
from tenants.scope import fleet_scope


@dataclass(frozen=True, slots=True)
class PreviousKeyView:
    """A key that the tenant had before, and that still opens some of its data."""

    arn: str
    tier: str
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class KeyTierView:
    """Whose key it is; `pool` is the slug of the pool of a pooled key, and else empty."""

    tier: str
    key_id: str
    pool: str
    primary_region: str
    key_accounts: tuple[str, ...]
    previous_keys: tuple[PreviousKeyView, ...]


def get_key_tier(tenant_id: UUID) -> KeyTierView:
    """The tier of the tenant's key, and the keys before it, the latest first."""
    with fleet_scope("read"):
        key = TenantKey.objects.select_related("pool", "tenant").get(tenant_id=tenant_id)
        previous = list(PreviousKey.objects.filter(tenant_id=tenant_id).order_by("-replaced_at"))
    return KeyTierView(
        tier=key.tier,
        key_id=key.key_id,
        pool=key.pool.slug if key.pool else "",
        primary_region=key.primary_region,
        key_accounts=tuple(key.tenant.key_accounts),
        previous_keys=tuple(
            PreviousKeyView(each.arn, each.tier, each.replaced_at) for each in previous
        ),
    )
