"""Plans: the steps of one piece of key work, as rows, and which of them are due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db.models.functions import Now

from crypto.part import JsonValue
from tenants.actor import Actor
from tenants.errors import NotFound, PlanFinished, PlanNotCancellable, PlanUnderWay, TenantNotActive
from tenants.jobs import enqueue_operation
from tenants.models import KeyOperation, Tenant
from tenants.models.base import new_id
from tenants.scope import tenant_scope
from tenants.services.audit import record_event
from tenants.services.rehearsal import Rehearsed, rehearsing
from tenants.states import OperationKind, OperationState, PlanKind, TenantState

# Nothing is left for these to change but the row of a key that is gone.
_DELETION: Final = (OperationKind.AWAIT_DELETED, OperationKind.FORGET_REGION)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation to be: about `region`, run by a worker of `run_region`. Equal positions run in parallel.

    `arguments` go into the operations table, so they hold no value of a sealed field and no key.
    """

    position: int
    kind: OperationKind
    region: str
    run_region: str
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)


def locked_tenant(tenant_id: UUID, *states: TenantState) -> Tenant:
    """The tenant, locked in the caller's write scope: plans of one tenant are started one after the other.

    Rows that refer to the tenant may still be written meanwhile. Raises `NotFound`, and `TenantNotActive` unless it is
    in one of these states, or active where none is named.
    """
    tenant = Tenant.objects.filter(id=tenant_id).select_for_update(no_key=True).first()
    if tenant is None:
        raise NotFound("No such tenant.")
    if tenant.state not in (states or (TenantState.ACTIVE,)):
        raise TenantNotActive(f"The tenant is {tenant.state}.")
    return tenant


def need_no_other_plan(tenant_id: UUID, *, besides: Collection[PlanKind] = ()) -> None:
    """Raise `PlanUnderWay` where the tenant has a plan that is not finished, in the caller's write scope; plans of the
    kinds `besides` may be.

    Two plans of one tenant at the same time could undo each other's steps. A plan that failed counts: it is retried or
    cancelled first. One that only waits for KMS to delete a key does not: it takes days, and changes nothing more.
    """
    rows = KeyOperation.objects.filter(tenant_id=tenant_id).exclude(
        state__in=[OperationState.DONE, OperationState.CANCELLED]
    )
    rows = rows.exclude(plan__in=besides)
    plans: dict[UUID, list[KeyOperation]] = {}
    for row in rows:
        plans.setdefault(row.plan_id, []).append(row)
    blocking = [each for each in plans.values() if not _only_waits(each)]
    if blocking:
        raise PlanUnderWay(
            f"A plan of this tenant is not finished: {blocking[0][0].plan}. Wait for it, or retry or cancel it."
        )


def _only_waits(unfinished: Sequence[KeyOperation]) -> bool:
    """Whether KMS's waiting period is all that the plan is at."""
    at = [row for row in unfinished if row.state != OperationState.PLANNED]
    return bool(at) and all(
        row.kind in _DELETION and row.state in (OperationState.DUE, OperationState.RUNNING)
        for row in at
    )


def pause_plans(tenant_id: UUID) -> int:
    """Pause every step that is due or runs, in the caller's write scope; how many. What runs finds its claim lost."""
    rows = KeyOperation.objects.filter(
        tenant_id=tenant_id, state__in=[OperationState.DUE, OperationState.RUNNING]
    )
    return rows.update(state=OperationState.PAUSED, next_attempt_at=None)


def resume_plans(tenant_id: UUID) -> int:
    """Make due what `pause_plans` paused, in the caller's write scope; how many steps that are."""
    rows = list(
        KeyOperation.objects.select_for_update().filter(
            tenant_id=tenant_id, state=OperationState.PAUSED
        )
    )
    for row in rows:
        row.state, row.next_attempt_at = OperationState.DUE, Now()
        row.save(update_fields=["state", "next_attempt_at"])
        enqueue_operation(tenant_id=tenant_id, operation_id=row.id, run_region=row.run_region)
    return len(rows)


def cancel_plan(*, tenant_id: UUID, plan_id: UUID, actor: Actor) -> int:
    """Cancel every step of the plan that is not done; how many. A step that runs at this moment may still change
    something in KMS, but records nothing; a reconciliation shows what is left half-way.

    Raises `NotFound`, `PlanFinished` where nothing is left to cancel, and `PlanNotCancellable`.
    """
    with tenant_scope(tenant_id, "write"):
        plan = KeyOperation.objects.filter(tenant_id=tenant_id, plan_id=plan_id)
        rows = list(plan.order_by("id").select_for_update())
        if not rows:
            raise NotFound("No such plan.")
        final = (OperationState.DONE, OperationState.CANCELLED)
        left = [row.id for row in rows if row.state not in final]
        if not left:
            raise PlanFinished("Nothing is left of this plan to cancel.")
        if way_back := _WAYS_BACK.get(PlanKind(rows[0].plan)):
            raise PlanNotCancellable(f"This plan is not cancelled: {way_back}.")
        plan.filter(id__in=left).update(
            state=OperationState.CANCELLED, next_attempt_at=None, finished_at=Now()
        )
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="plan.cancelled",
            subject=str(plan_id),
            detail={"plan": rows[0].plan, "steps": len(left)},
        )
        return len(left)


_WAYS_BACK: Final = {
    PlanKind.REVOCATION: "restore the tenant",
    PlanKind.RESTORATION: "revoke the tenant again, or retry what has failed",
    PlanKind.OFFBOARDING: "call the tenant's end off",
}


def write_plan(*, tenant_id: UUID, plan: PlanKind, steps: Sequence[Step]) -> UUID:
    """Write the steps in the caller's write scope; the first position is due, and sent on commit.

    It is the last thing that a service does: in a rehearsal all is undone here.
    """
    if rehearsing.get():
        raise Rehearsed(plan, steps)
    plan_id = new_id()
    rows = [
        KeyOperation(
            tenant_id=tenant_id,
            plan_id=plan_id,
            plan=plan,
            kind=step.kind,
            region=step.region,
            run_region=step.run_region,
            position=step.position,
            arguments=dict(step.arguments),
        )
        for step in sorted(steps, key=lambda step: step.position)
    ]
    make_due(rows)
    KeyOperation.objects.bulk_create(rows)
    return plan_id


def make_due(rows: Sequence[KeyOperation]) -> list[KeyOperation]:
    """Mark and send the first position of a plan that is not finished yet; the caller saves what is returned.

    `rows` are all rows of the plan: new ones, or locked, so that of two steps that finish together the second sees
    the first and the next position is never forgotten.
    """
    final = (OperationState.DONE, OperationState.CANCELLED)
    unfinished = [row for row in rows if row.state not in final]
    first = min((row.position for row in unfinished), default=None)
    due = [
        row for row in unfinished if row.position == first and row.state == OperationState.PLANNED
    ]
    for row in due:
        row.state = OperationState.DUE
        row.next_attempt_at = Now()  # the database's clock, which all workers share
        enqueue_operation(tenant_id=row.tenant_id, operation_id=row.id, run_region=row.run_region)
    return due
