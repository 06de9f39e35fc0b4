"""All tenants, as far as a Region to be added to them or to become their primary's goes. For operators alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.db.models import Count

from tenants.models import KeyOperation
from tenants.scope import fleet_scope, scope_alias
from tenants.states import OperationState, PlanKind

TO_START: Final = "to_start"
_MOST_EXAMPLES: Final = 10

# Of each tenant, which of these is true. Pooled tenants follow their pool, which is a row of its own.
_STATUS: Final[Mapping[PlanKind, str]] = {
    PlanKind.REGION_ADDED: """
        case when t.state <> 'active' then 'not_active' when k.tier <> 'dedicated' then k.tier
            when r.id is not null and g.verified_at is not null then 'has_it'
            when r.id is not null then 'under_way' when g.id is not null then 'leaving' else 'to_start' end""",
    PlanKind.PROMOTION: """
        case when t.state <> 'active' then 'not_active' when k.tier <> 'dedicated' then k.tier
            when k.primary_region = %(region)s then 'has_it' when r.id is null then 'not_in_region'
            when exists (select from tenants_keyoperation o where o.tenant_id = t.id and o.region = %(region)s
                and o.kind = 'update_primary_region' and o.state not in ('done', 'cancelled')) then 'under_way'
            when g.verified_at is null then 'not_ready' else 'to_start' end""",
}
_FLEET = """
    with fleet as (
        select t.id, t.slug, k.primary_region, {status} as status
        from tenants_tenant t join tenants_tenantkey k on k.tenant_id = t.id
        left join tenants_regionrule r on r.tenant_id = t.id and r.region = %(region)s
        left join tenants_regionalkey g on g.tenant_id = t.id and g.region = %(region)s
        where t.slug > %(after)s
    )
"""
_COUNT = "select status, count(*) from fleet group by status order by status"
_PAGE = "select id, slug from fleet where status = 'to_start' order by slug limit %(limit)s"
_GROUP = """
    select primary_region, regions, count(*) from (
        select f.primary_region, array(
            select r.region from tenants_regionrule r where r.tenant_id = f.id order by r.region) as regions
        from fleet f where f.status = 'to_start'
    ) each group by primary_region, regions order by primary_region, regions
"""


@dataclass(frozen=True, slots=True)
class Group:
    """Tenants whose plan would have the same steps: where their primary is, and all their Regions."""

    primary_region: str
    regions: tuple[str, ...]
    tenants: int


@dataclass(frozen=True, slots=True)
class PlansOfKind:
    """How many plans of one kind are at work, how many have stopped at a failed step, and tenants of the latter."""

    active: int
    failed: int
    examples: tuple[str, ...]


def count_fleet(plan: PlanKind, region: str) -> dict[str, int]:
    """How many tenants need such a plan (`to_start`), and of the others why not. Scans all tenants."""
    return {str(status): int(count) for status, count in _rows(plan, _COUNT, region=region)}


def group_fleet(plan: PlanKind, region: str) -> list[Group]:
    """Those who need one, grouped by what it takes."""
    rows = _rows(plan, _GROUP, region=region)
    return [Group(primary, tuple(regions), int(count)) for primary, regions, count in rows]


def list_fleet(plan: PlanKind, region: str, *, after: str, limit: int) -> list[tuple[UUID, str]]:
    """Id and slug of up to `limit` of them, by slug, those behind the slug `after`."""
    rows = _rows(plan, _PAGE, region=region, after=after, limit=limit)
    return [(tenant_id, str(slug)) for tenant_id, slug in rows]


def count_plans(plan: PlanKind) -> PlansOfKind:
    """The unfinished plans of this kind."""
    with fleet_scope("latest"):
        rows = KeyOperation.objects.filter(plan=plan)
        active = rows.filter(state__in=[OperationState.DUE, OperationState.RUNNING])
        failed = rows.filter(state=OperationState.FAILED)
        slugs = failed.order_by("tenant__slug").values_list("tenant__slug", flat=True).distinct()
        return PlansOfKind(
            active=active.aggregate(count=Count("plan_id", distinct=True))["count"],
            failed=failed.aggregate(count=Count("plan_id", distinct=True))["count"],
            examples=tuple(slugs[:_MOST_EXAMPLES]),
        )


def _rows(plan: PlanKind, select: str, **values: Any) -> list[tuple[Any, ...]]:
    """Past the reader: a plan that was written a moment ago must not be written again."""
    sql = _FLEET.format(status=_STATUS[plan]) + select
    with fleet_scope("latest"), connections[scope_alias()].cursor() as cursor:
        cursor.execute(sql, {"after": "", "limit": None, **values})
        return list(cursor.fetchall())
