"""Revocation: one action after which nothing of a tenant is encrypted or decrypted any more, and the proof of it.

    state REVOKED, key epoch + 1, other plans paused     one transaction: the gateways refuse as soon as it reaches them
    DISABLE_KEY, PROVE_REVOKED                           in every Region at once, each by its own worker

The two steps of a Region stand at the same position, and so do those of all Regions: none waits for a Region that is
down. Where a Region's worker does not come for its DISABLE_KEY, that of any other Region takes it over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db.models import F, Max, Q
from django.db.models.functions import Now

from crypto.part import JsonValue
from tenants.actor import Actor
from tenants.errors import Conflict, InputInvalid
from tenants.models import KeyOperation, RegionalKey, Tenant
from tenants.scope import fleet_scope, tenant_scope
from tenants.services.audit import record_event
from tenants.services.claims import CLAIMABLE
from tenants.services.disabling import SETTLED_AT
from tenants.services.plans import Step, locked_tenant, pause_plans, write_plan
from tenants.states import OperationKind, OperationState, PlanKind, TenantKind, TenantState

LONGEST_REASON: Final = 500
FINAL: Final = (OperationState.DONE, OperationState.CANCELLED)
# Several sweeps: a worker that lives has come for its step by then.
_PATIENCE: Final = timedelta(seconds=10)


def revoke_tenant(*, tenant_id: UUID, reason: str, actor: Actor) -> UUID:
    """Stop every use of the tenant's keys in all Regions, now; returns the id of the plan that proves it.

    The same again returns the same plan, and lets its failed steps run again. A restoration that is under way is
    ended. Raises `InputInvalid`, `NotFound`, `Conflict` for a pool, and `TenantNotActive` for a tenant that leaves.
    """
    check_reason(reason)
    with tenant_scope(tenant_id, "write"):
        lock_plans(tenant_id)
        tenant = locked_tenant(tenant_id, *_REVOCABLE)
        if tenant.kind == TenantKind.POOL:
            raise Conflict("A pool is not revoked: revoke the tenants that share its key.")
        if tenant.state == TenantState.REVOKED and (plan_id := _standing(tenant_id)):
            retry_failed(tenant_id, plan_id)
            return plan_id
        settled_at = _ends_of_leases(tenant_id)
        give_up_plans(tenant_id, PlanKind.RESTORATION, PlanKind.REVOCATION)
        pause_plans(tenant_id)
        Tenant.objects.filter(id=tenant_id).update(
            state=TenantState.REVOKED, key_epoch=F("key_epoch") + 1
        )
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="tenant.revoked",
            subject=tenant.slug,
            detail={"reason": reason, "from": tenant.state},
        )
        said = {"reason": reason, "by_kind": actor.kind, "by": f"{actor.kind}:{actor.id}"}
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.REVOCATION,
            steps=_steps(tenant, said, settled_at),
        )


def refresh_revocation(*, tenant_id: UUID, actor: Actor) -> UUID:
    """Prove a revocation again, and read the trail again; returns the id of the plan, that of one under way if any.

    Raises `NotFound`, and `TenantNotActive` unless the tenant is revoked.
    """
    with tenant_scope(tenant_id, "write"):
        lock_plans(tenant_id)
        locked_tenant(tenant_id, TenantState.REVOKED)
        if under_way := open_plan(tenant_id, PlanKind.REVOCATION, PlanKind.RESTORATION):
            return under_way
        record_event(tenant_id=tenant_id, actor=actor, action="revocation.refreshed")
        regions = _regions(tenant_id)
        proofs = [Step(0, OperationKind.PROVE_REVOKED, region, region) for region in regions]
        return write_plan(tenant_id=tenant_id, plan=PlanKind.REVOCATION, steps=proofs)


def take_over_disabling(*, region: str) -> int:
    """Take over what disables keys where the worker of their own Region has not come for it; how many steps.

    Any Region's worker reaches KMS of any other. What a worker has claimed, or tries again later, is not due meanwhile.
    """
    with fleet_scope("write"):
        overdue = KeyOperation.objects.filter(
            kind=OperationKind.DISABLE_KEY,
            state__in=CLAIMABLE,
            next_attempt_at__lte=Now() - _PATIENCE,
        )
        return overdue.exclude(run_region=region).update(run_region=region)


def check_reason(reason: str) -> None:
    """Raise `InputInvalid` unless it is one line of text."""
    if not (0 < len(reason.strip()) <= LONGEST_REASON and reason.isprintable()):
        rule = f"must be 1 to {LONGEST_REASON} printable characters"
        raise InputInvalid("A reason is needed.", [("/reason", rule)])


def lock_plans(tenant_id: UUID) -> None:
    """Lock all unfinished steps of the tenant, in the caller's write scope.

    Before the tenant's own row, as a worker does that finishes a step: else the two could wait for each other.
    """
    rows = KeyOperation.objects.filter(tenant_id=tenant_id).exclude(state__in=FINAL)
    list(rows.order_by("id").select_for_update().values_list("id"))


def open_plan(tenant_id: UUID, *kinds: PlanKind) -> UUID | None:
    """The newest plan of these kinds with a step that is not finished, in the caller's scope."""
    rows = KeyOperation.objects.filter(tenant_id=tenant_id, plan__in=kinds)
    unfinished = rows.exclude(state__in=FINAL).order_by("-plan_id")
    return unfinished.values_list("plan_id", flat=True).first()


def give_up_plans(tenant_id: UUID, *kinds: PlanKind) -> int:
    """Cancel what is unfinished of the plans of these kinds, in the caller's write scope; how many steps."""
    rows = KeyOperation.objects.filter(tenant_id=tenant_id, plan__in=kinds)
    return rows.exclude(state__in=FINAL).update(
        state=OperationState.CANCELLED, next_attempt_at=None, finished_at=Now()
    )


def retry_failed(tenant_id: UUID, plan_id: UUID) -> int:
    """Let the failed steps of a plan run again, in the caller's write scope; how many. The next sweep sends them."""
    rows = KeyOperation.objects.filter(
        tenant_id=tenant_id, plan_id=plan_id, state=OperationState.FAILED
    )
    return rows.update(
        state=OperationState.DUE, failures=0, finished_at=None, next_attempt_at=Now()
    )


_REVOCABLE: Final = (TenantState.ONBOARDING, TenantState.ACTIVE, TenantState.REVOKED)


def _standing(tenant_id: UUID) -> UUID | None:
    """The revocation that holds: the newest plan that switched keys off or on, if it is one that was not given up."""
    switching = KeyOperation.objects.filter(
        Q(plan=PlanKind.RESTORATION) | Q(plan=PlanKind.REVOCATION, kind=OperationKind.DISABLE_KEY),
        tenant_id=tenant_id,
    )
    newest = switching.order_by("-plan_id").values("plan_id", "plan").first()
    if newest is None or newest["plan"] != PlanKind.REVOCATION:
        return None
    steps = KeyOperation.objects.filter(tenant_id=tenant_id, plan_id=newest["plan_id"])
    given_up = steps.filter(state=OperationState.CANCELLED).exists()
    return None if given_up else UUID(str(newest["plan_id"]))


def _ends_of_leases(tenant_id: UUID) -> dict[str, str]:
    """Until when, by Region, a step that runs at this moment may still change something in KMS."""
    running = KeyOperation.objects.filter(tenant_id=tenant_id, state=OperationState.RUNNING)
    ends = running.values("region").annotate(end=Max("next_attempt_at"))
    return {row["region"]: row["end"].isoformat() for row in ends if row["end"]}


def _regions(tenant_id: UUID) -> list[str]:
    """Every Region in which the tenant has a key, or gets or loses one."""
    rows = RegionalKey.objects.filter(tenant_id=tenant_id).order_by("region")
    return list(rows.values_list("region", flat=True))


def _steps(
    tenant: Tenant, said: Mapping[str, JsonValue], settled_at: Mapping[str, str]
) -> Sequence[Step]:
    steps = []
    for region in _regions(tenant.id):
        arguments = {**said, SETTLED_AT: settled_at.get(region, "")}
        steps += [
            Step(0, kind, region, region, arguments)
            for kind in (OperationKind.DISABLE_KEY, OperationKind.PROVE_REVOKED)
        ]
    return steps
