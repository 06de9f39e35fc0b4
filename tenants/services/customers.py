"""Customers are tenants with people, programs and data of their own. Pools are none."""

from __future__ import annotations

from uuid import UUID

from tenants.errors import TenantIsPool
from tenants.models import Tenant
from tenants.states import TenantKind


def need_customer(tenant_id: UUID) -> None:
    """Raise `TenantIsPool` for a pool, in the caller's scope."""
    if Tenant.objects.filter(id=tenant_id, kind=TenantKind.POOL).exists():
        raise TenantIsPool("A pool has no members and no API keys: its tenants have.")
