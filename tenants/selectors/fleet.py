"""The key work of all tenants at once: what has failed, runs, waits or is due. For operators alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Count, QuerySet

from tenants.models import KeyOperation
from tenants.scope import fleet_scope
from tenants.selectors.operations import OperationView, view_of_operation
from tenants.states import OperationState

UNFINISHED: Final = (
    OperationState.FAILED,
    OperationState.RUNNING,
    OperationState.DUE,
    OperationState.PAUSED,
)


@dataclass(frozen=True, slots=True)
class FleetOperation:
    """A step, and whose it is."""

    tenant_id: UUID
    slug: str
    plan_id: UUID
    plan: str
    step: OperationView


@dataclass(frozen=True, slots=True)
class OperationCount:
    """How many steps of one kind, about one Region, are in one state."""

    kind: str
    region: str
    state: str
    count: int


def list_operations(
    *,
    states: Collection[str] = UNFINISHED,
    kinds: Collection[str] = (),
    regions: Collection[str] = (),
    slugs: Collection[str] = (),
    limit: int | None = 100,
) -> list[FleetOperation]:
    """Up to `limit` steps of all tenants in these states, the oldest plan first. An empty filter keeps everything."""
    with fleet_scope("read"):
        found = _filtered(states, kinds, regions, slugs).select_related("tenant")
        rows = list(found.order_by("plan_id", "position", "id")[:limit])
    return [
        FleetOperation(
            row.tenant_id, row.tenant.slug, row.plan_id, row.plan, view_of_operation(row)
        )
        for row in rows
    ]


def count_operations(
    *,
    states: Collection[str] = UNFINISHED,
    kinds: Collection[str] = (),
    regions: Collection[str] = (),
    slugs: Collection[str] = (),
) -> list[OperationCount]:
    """How many there are of each kind, Region and state; what has none is left out."""
    with fleet_scope("read"):
        places = _filtered(states, kinds, regions, slugs).values("kind", "region", "state")
        counts = list(places.annotate(count=Count("id")).order_by("kind", "region", "state"))
    return [OperationCount(**count) for count in counts]


def _filtered(
    states: Collection[str],
    kinds: Collection[str],
    regions: Collection[str],
    slugs: Collection[str],
) -> QuerySet[KeyOperation]:
    found = KeyOperation.objects.filter(state__in=states)
    if kinds:
        found = found.filter(kind__in=kinds)
    if regions:
        found = found.filter(region__in=regions)
    if slugs:
        found = found.filter(tenant__slug__in=slugs)
    return found
