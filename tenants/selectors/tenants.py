"""Tenants, one and many, and which of them a person may see."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery

from tenants.errors import NotFound
from tenants.models import KeyOperation, Member, RegionRule, Tenant
from tenants.scope import fleet_scope
from tenants.states import OperationState, TenantKind


@dataclass(frozen=True, slots=True)
class TenantView:
    """One tenant."""

    id: UUID
    slug: str
    name: str
    state: str
    home_region: str
    key_epoch: int
    created_at: datetime
    activated_at: datetime | None
    kind: str = TenantKind.CUSTOMER.value


@dataclass(frozen=True, slots=True)
class TenantSummary:
    """One line of the list of tenants: its Regions, home first, and how far its newest plan is."""

    tenant: TenantView
    regions: tuple[str, ...]
    done: int
    total: int
    failed: int


def view_of(tenant: Tenant) -> TenantView:
    """The view of a row that was read in a scope."""
    return TenantView(
        id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        state=str(tenant.state),
        home_region=tenant.home_region,
        key_epoch=tenant.key_epoch,
        created_at=tenant.created_at,
        activated_at=tenant.activated_at,
        kind=str(tenant.kind),
    )


def get_tenant(slug: str) -> TenantView:
    """The tenant of this slug; raises `NotFound`. For operators and for members whose place was checked."""
    with fleet_scope("read"):
        found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound("No such tenant.")
    return view_of(found)


def list_tenants(
    *, after: str | None, limit: int, search: str = "", pools: bool = False
) -> list[TenantSummary]:
    """Up to `limit` tenants by slug, those behind the slug `after`. Three queries, however many there are.

    `search` keeps those whose slug or name contains it, whatever its case. Pools are listed, and nothing else,
    with `pools`."""
    kind = TenantKind.POOL if pools else TenantKind.CUSTOMER
    with fleet_scope("read"):
        found = Tenant.objects.filter(kind=kind).order_by("slug")
        if search:
            found = found.filter(Q(slug__icontains=search) | Q(name__icontains=search))
        tenants = list((found.filter(slug__gt=after) if after else found)[:limit])
        regions = _regions([tenant.id for tenant in tenants])
        counts = _newest_plans([tenant.id for tenant in tenants])
    return [_summary(tenant, regions[tenant.id], counts[tenant.id]) for tenant in tenants]


def list_memberships(user_id: UUID) -> list[tuple[TenantView, str]]:
    """The tenants whose member this person is, by slug, with the role in each."""
    with fleet_scope("read"):
        members = list(
            Member.objects.filter(user_id=user_id).select_related("tenant").order_by("tenant__slug")
        )
    return [(view_of(member.tenant), member.role) for member in members]


def _summary(tenant: Tenant, regions: Sequence[str], states: Counter[str]) -> TenantSummary:
    return TenantSummary(
        tenant=view_of(tenant),
        regions=tuple(sorted(regions, key=lambda region: (region != tenant.home_region, region))),
        done=states[OperationState.DONE],
        total=states.total(),
        failed=states[OperationState.FAILED],
    )


def _regions(tenant_ids: Sequence[UUID]) -> defaultdict[UUID, list[str]]:
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    rules = RegionRule.objects.filter(tenant_id__in=tenant_ids)
    for tenant_id, region in rules.values_list("tenant_id", "region"):
        found[tenant_id].append(region)
    return found


def _newest_plans(tenant_ids: Sequence[UUID]) -> defaultdict[UUID, Counter[str]]:
    """How many operations of each tenant's newest plan are in which state. Plan ids are in order of time."""
    newest = (
        KeyOperation.objects.filter(tenant_id=OuterRef("tenant_id"))
        .order_by("-plan_id")
        .values("plan_id")[:1]
    )
    states: defaultdict[UUID, Counter[str]] = defaultdict(Counter)
    operations = KeyOperation.objects.filter(tenant_id__in=tenant_ids, plan_id=Subquery(newest))
    for tenant_id, state in operations.values_list("tenant_id", "state"):
        states[tenant_id][state] += 1
    return states
