"""Restoration: a revoked tenant's keys are switched on, proven in every Region, and only then it is served again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from tenants.actor import Actor
from tenants.errors import ActorNotAllowed, PlanUnderWay
from tenants.models import KeyOperation, RegionalKey, RegionRule, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.deletion import PENDING
from tenants.services.plans import Step, locked_tenant, resume_plans, write_plan
from tenants.services.revocation import give_up_plans, lock_plans, open_plan, retry_failed
from tenants.services.verification import verification_steps
from tenants.services.work import Result, Work
from tenants.states import KeyTier, OperationKind, OperationState, PlanKind, TenantState

# What KMS or we say of a key that waits for its deletion or is gone.
_LOST: Final = (*PENDING, "")


def restore_tenant(*, tenant_id: UUID, actor: Actor) -> UUID:
    """Plan the way back of a revoked tenant; returns the id of the plan, that of one under way if any.

    Takes over from a revocation that is not finished, but for a key that is being disabled at this moment: then
    `PlanUnderWay`. Raises `NotFound`, `TenantNotActive` unless the tenant is revoked, and `ActorNotAllowed` where an
    operator has revoked it and no operator asks: whoever stole a member's account must not open what was closed.
    """
    with tenant_scope(tenant_id, "write"):
        lock_plans(tenant_id)
        tenant = locked_tenant(tenant_id, TenantState.REVOKED)
        _check_actor(tenant_id, actor)
        if under_way := open_plan(tenant_id, PlanKind.RESTORATION):
            retry_failed(tenant_id, under_way)
            return under_way
        if _is_disabling(tenant_id):
            raise PlanUnderWay("A key is being disabled at this moment: try again in a minute.")
        give_up_plans(tenant_id, PlanKind.REVOCATION, PlanKind.OFFBOARDING)
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="tenant.restoration_started",
            subject=tenant.slug,
        )
        steps = restoration_steps(tenant, was_scheduled=_was_scheduled(tenant_id))
        return write_plan(tenant_id=tenant_id, plan=PlanKind.RESTORATION, steps=steps)


class RestoreTenant:
    """Serve the tenant again, once its keys are proven."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def perform(self, work: Work) -> Result:
        """All of it happens in our own tables."""
        return {"regions": [*sorted(work.arns)]}

    def record(self, work: Work, result: Result) -> None:  # noqa: ARG002 - the protocol's
        """REVOKED becomes what it was before: ACTIVE, or ONBOARDING where that was never finished."""
        tenant = Tenant.objects.select_for_update(no_key=True).get(id=work.tenant_id)
        if tenant.state != TenantState.REVOKED:
            return
        tenant.state = TenantState.ACTIVE if tenant.activated_at else TenantState.ONBOARDING
        Tenant.objects.filter(id=tenant.id).update(state=tenant.state, key_epoch=F("key_epoch") + 1)
        resumed = resume_plans(work.tenant_id)
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="tenant.restored",
            subject=work.slug,
            detail={"state": tenant.state, "resumed_steps": resumed},
        )


def restoration_steps(tenant: Tenant, *, was_scheduled: bool) -> list[Step]:
    """The plan, from the tables in the caller's scope. `was_scheduled`: keys wait for their deletion, and replicas that
    are gone already are made again from the primary."""
    key = TenantKey.objects.get(tenant_id=tenant.id)
    rules = list(RegionRule.objects.filter(tenant_id=tenant.id).order_by("region"))
    known = set(_regions_with_key(tenant.id))
    served = [rule for rule in rules if rule.region in known]
    regions = [rule.region for rule in served]
    home = tenant.home_region
    steps: list[Step] = []
    if key.tier == KeyTier.DEDICATED:
        steps = _saved(regions, home) if was_scheduled else _switched_on(regions, home)
    elif key.tier == KeyTier.POOLED:
        steps = [Step(0, OperationKind.ENABLE_KEY, region, home) for region in regions]
    position = max((step.position for step in steps), default=-1) + 1
    if tenant.activated_at and served:
        steps += verification_steps(home=home, rules=served, position=position, tier=key.tier)
    return [*steps, Step(position + 2, OperationKind.RESTORE_TENANT, home, home)]


def saving_steps(tenant: Tenant) -> list[Step]:
    """Keep keys that wait for their deletion, and leave them disabled. A restoration makes again what is gone."""
    rows = RegionalKey.objects.filter(tenant_id=tenant.id).exclude(arn="").exclude(key_state="")
    regions = rows.order_by("region").values_list("region", flat=True)
    home = tenant.home_region
    return [Step(0, OperationKind.CANCEL_DELETION, region, home) for region in regions]


def _switched_on(regions: Sequence[str], home: str) -> list[Step]:
    return [
        *(Step(0, OperationKind.ENABLE_KEY, region, home) for region in regions),
        *(Step(1, OperationKind.AWAIT_ENABLED, region, home) for region in regions),
        *(Step(2, OperationKind.APPLY_KEY_POLICY, region, home) for region in regions),
    ]


def _saved(regions: Sequence[str], home: str) -> list[Step]:
    """The primary first. A replica that is gone is made again, with the same id and material; one that still is there
    is taken as it is. With a replica its alias went, and the parameter may be withdrawn: both are published again."""
    replicas = [region for region in regions if region != home]
    return [
        Step(0, OperationKind.CANCEL_DELETION, home, home),
        Step(1, OperationKind.ENABLE_KEY, home, home),
        Step(2, OperationKind.AWAIT_ENABLED, home, home),
        *(Step(3, OperationKind.REPLICATE_KEY, region, home) for region in replicas),
        *(Step(4, OperationKind.CANCEL_DELETION, region, home) for region in replicas),
        *(Step(5, OperationKind.ENABLE_KEY, region, home) for region in replicas),
        *(Step(6, OperationKind.AWAIT_ENABLED, region, home) for region in replicas),
        *(Step(7, OperationKind.PUBLISH_KEY, region, home) for region in regions),
    ]


def _regions_with_key(tenant_id: UUID) -> list[str]:
    rows = RegionalKey.objects.filter(tenant_id=tenant_id).exclude(arn="").order_by("region")
    return list(rows.values_list("region", flat=True))


def _was_scheduled(tenant_id: UUID) -> bool:
    """Whether a Region that serves has lost its key, or is about to: the end of a revoked tenant was called off."""
    ruled = RegionRule.objects.filter(tenant_id=tenant_id).values("region")
    rows = RegionalKey.objects.filter(tenant_id=tenant_id, region__in=ruled).exclude(arn="")
    return rows.filter(key_state__in=_LOST).exists()


def _is_disabling(tenant_id: UUID) -> bool:
    """Whether a worker holds a claim on disabling a key: its call may arrive after ours that enables it."""
    rows = KeyOperation.objects.filter(tenant_id=tenant_id, kind=OperationKind.DISABLE_KEY)
    return rows.filter(state=OperationState.RUNNING, next_attempt_at__gt=Now()).exists()


def _check_actor(tenant_id: UUID, actor: Actor) -> None:
    if actor.kind == "operator":
        return
    revoked = KeyOperation.objects.filter(
        tenant_id=tenant_id, kind=OperationKind.DISABLE_KEY, plan=PlanKind.REVOCATION
    )
    newest = revoked.order_by("-plan_id").values_list("arguments", flat=True).first() or {}
    if newest.get("by_kind") == "operator":
        raise ActorNotAllowed("An operator has revoked the tenant: only an operator restores it.")
