"""Pools: who shares a key with whom, and what follows from it. Everything here reads more than one tenant's rows."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from tenants.errors import NotFound
from tenants.models import (
    KeyOperation,
    Offboarding,
    PreviousKey,
    RegionalKey,
    RegionRule,
    Tenant,
    TenantKey,
)
from tenants.scope import fleet_scope
from tenants.states import OffboardingState, OperationState, PlanKind, TenantKind, TenantState

# Tenants in these states must not use their key.
_DENIED = (TenantState.REVOKED, TenantState.OFFBOARDING)
# A retired one has no data key left but in backups. A key policy has room for some 800 names: the latest are denied, so
# that there is always room for whoever is revoked.
_MOST_RETIRED = 300
_UNDER_WAY = (
    OperationState.PLANNED,
    OperationState.DUE,
    OperationState.RUNNING,
)


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool, and how many tenants share its key."""

    id: UUID
    slug: str
    name: str
    state: str
    home_region: str
    regions: tuple[str, ...]
    tenants: int


def list_pools() -> list[PoolView]:
    """All pools by slug. There are few: a pool serves thousands of tenants."""
    with fleet_scope("read"):
        pools = list(Tenant.objects.filter(kind=TenantKind.POOL).order_by("slug"))
        return [
            PoolView(
                id=pool.id,
                slug=pool.slug,
                name=pool.name,
                state=str(pool.state),
                home_region=pool.home_region,
                regions=tuple(pool_rules(pool.id).values_list("region", flat=True)),
                tenants=TenantKey.objects.filter(pool_id=pool.id).count(),
            )
            for pool in pools
        ]


def regions_in_use(pool_id: UUID) -> frozenset[str]:
    """The Regions in which a tenant of the pool has rows: the pool cannot leave them."""
    with fleet_scope("latest"):
        keys = RegionalKey.objects.filter(tenant_key__pool_id=pool_id)
        return frozenset(keys.values_list("region", flat=True).distinct())


def pool_rules(pool_id: UUID) -> QuerySet[RegionRule]:
    """The rules of a pool by Region, in the caller's fleet scope."""
    return RegionRule.objects.filter(tenant_id=pool_id).order_by("region")


def revoked_tenants(pool_id: UUID) -> list[str]:
    """The tenants of the pool that its key policy must deny, as the encryption context names them; in the caller's
    fleet scope.

    One whose restoration is under way is not denied any more, so that it can be proven before requests are served.
    """
    restored = KeyOperation.objects.filter(
        tenant_id=OuterRef("tenant_id"), plan=PlanKind.RESTORATION, state__in=_UNDER_WAY
    )
    keys = TenantKey.objects.filter(_shares(pool_id), tenant__state__in=_DENIED)
    found = keys.exclude(Exists(restored)).values_list("tenant_id", flat=True)
    ended = Offboarding.objects.filter(
        tenant_id__in=TenantKey.objects.filter(_shares(pool_id)).values("tenant_id"),
        state=OffboardingState.DONE,
    ).order_by("-finished_at")
    retired = ended.values_list("tenant_id", flat=True)[:_MOST_RETIRED]
    return sorted({tenant_id.hex for tenant_id in (*found, *retired)})


def _shares(pool_id: UUID) -> Q:
    """Whose data the pool's key opens: its tenants', and those of whom it is a key before."""
    key_id = TenantKey.objects.filter(tenant_id=pool_id).values_list("key_id", flat=True).first()
    before = (
        PreviousKey.objects.filter(arn__endswith=f":key/{key_id}")
        if key_id
        else PreviousKey.objects.none()
    )
    return Q(pool_id=pool_id) | Q(tenant_id__in=before.values("tenant_id"))


def find_pool(slug: str, *, lock: bool = False) -> Tenant:
    """The pool of this slug, in the caller's fleet scope; with `lock` nobody changes its rules until that ends.

    Raises `NotFound`, also for a customer of that slug.
    """
    pools: QuerySet[Tenant] = Tenant.objects.filter(slug=slug, kind=TenantKind.POOL)
    found = (pools.select_for_update(no_key=True) if lock else pools).first()
    if found is None:
        raise NotFound("No such pool.")
    return found
