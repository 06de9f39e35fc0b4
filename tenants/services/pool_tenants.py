"""The tenants of a pool: their rows repeat what the pool's say of its key and its rules, for their own Regions.

A tenant's requests read the tenant's rows alone. So a change of the pool is carried to all of them, a batch at a time.
Whoever copies holds the pool's row, as does whoever changes its rules: what is copied last is what is last true.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final
from uuid import UUID

from django.db.models import F

from tenants.models import RegionalKey, RegionRule, Tenant, TenantKey
from tenants.scope import fleet_scope
from tenants.selectors.pools import pool_rules
from tenants.services.audit import record_event, this_worker
from tenants.services.work import Continue, NotVerified, Result, Work

_BATCH: Final = 200
_BEGIN: Final = UUID(int=0)


class JoinPool:
    """Let the tenant use the pool's key in its Regions."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def perform(self, work: Work) -> Result:
        """Copy what the pool's rows say. Doing it again copies what they say then."""
        if work.pool_id is None:
            raise NotVerified("The tenant belongs to no pool.")
        with fleet_scope("write"):
            _lock(work.pool_id)
            _copy(work.pool_id, [work.tenant_id])
            key = TenantKey.objects.get(tenant_id=work.pool_id)
        return {"pool": str(work.pool_id), "key_id": key.key_id}

    def record(self, work: Work, result: Result) -> None:
        """That it has joined."""
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="pool.joined",
            subject=str(result["key_id"]),
            detail={"pool": result["pool"], "regions": [rule.region for rule in work.rules]},
        )


class UpdatePooledTenants:
    """Carry a pool's key and rules to its tenants."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def perform(self, work: Work) -> Result:
        """One batch a claim, in the order of the tenants' ids. A tenant that joins meanwhile has copied for itself."""
        place, done = (
            UUID(str(work.found.get("place", _BEGIN))),
            int(str(work.found.get("done", 0))),
        )
        with fleet_scope("write"):
            _lock(work.tenant_id)
            mine = TenantKey.objects.filter(pool_id=work.tenant_id)
            batch = list(
                mine.filter(tenant_id__gt=place)
                .order_by("tenant_id")
                .values_list("tenant_id", flat=True)[:_BATCH]
            )
            _copy(work.tenant_id, batch)
            Tenant.objects.filter(id__in=batch).update(key_epoch=F("key_epoch") + 1)
            for tenant_id in batch:
                record_event(
                    tenant_id=tenant_id,
                    actor=this_worker(),
                    action="pool.followed",
                    subject=work.slug,
                    detail={"pool": str(work.tenant_id), "plan": str(work.plan_id)},
                )
            total = mine.count()
        done += len(batch)
        if len(batch) == _BATCH:
            raise Continue(place=str(batch[-1]), done=done, total=max(done, total))
        return {"done": done, "total": done}

    def record(self, work: Work, result: Result) -> None:
        """How many tenants it were."""
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="pool.carried_through",
            subject=work.slug,
            detail={"tenants": result["total"]},
        )


def _lock(pool_id: UUID) -> None:
    """Hold the pool's row, in the caller's fleet scope."""
    Tenant.objects.select_for_update(no_key=True).get(id=pool_id)


def _copy(pool_id: UUID, tenant_ids: Sequence[UUID]) -> None:
    """Let the rows of these tenants say what the pool's say, where they have joined it; in the caller's fleet scope.

    A tenant that has just moved to another key is left alone: its row is locked until that is decided.
    """
    keys = TenantKey.objects.select_for_update(no_key=True).order_by("tenant_id")
    joined = [key.tenant_id for key in keys.filter(tenant_id__in=tenant_ids, pool_id=pool_id)]
    pool = TenantKey.objects.get(tenant_id=pool_id)
    TenantKey.objects.filter(tenant_id__in=joined).update(
        key_id=pool.key_id,
        primary_region=pool.primary_region,
        rotation_days=pool.rotation_days,
        key_material_id=pool.key_material_id,
        on_demand_rotations=pool.on_demand_rotations,
    )
    for regional in RegionalKey.objects.filter(tenant_id=pool_id):
        RegionalKey.objects.filter(tenant_id__in=joined, region=regional.region).update(
            arn=regional.arn,
            role=regional.role,
            key_state=regional.key_state,
            desired_fingerprint=regional.desired_fingerprint,
            applied_fingerprint=regional.applied_fingerprint,
        )
    for rule in pool_rules(pool_id):
        RegionRule.objects.filter(tenant_id__in=joined, region=rule.region).update(
            may_encrypt=rule.may_encrypt, may_decrypt=rule.may_decrypt
        )
