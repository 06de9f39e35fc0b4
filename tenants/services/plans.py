"""Plans: the steps of one piece of key work, as rows, and which of them are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models.functions import Now

from tenants.errors import NotFound, TenantNotActive
from tenants.jobs import enqueue_operation
from tenants.models import KeyOperation, Tenant
from tenants.models.base import new_id
from tenants.states import OperationKind, OperationState, PlanKind


@dataclass(frozen=True, slots=True)
class Step:
    """One operation to be: about `region`, run by a worker of `run_region`. Equal positions run in parallel."""

    position: int
    kind: OperationKind
    region: str
    run_region: str


def locked_tenant(tenant_id: UUID) -> Tenant:
    """The active tenant, locked in the caller's write scope: plans of one tenant are started one after the other.

    Rows that refer to the tenant may still be written meanwhile. Raises `NotFound` and `TenantNotActive`.
    """
    tenant = Tenant.objects.filter(id=tenant_id).select_for_update(no_key=True).first()
    if tenant is None:
        raise NotFound("No such tenant.")
    if not tenant.is_active:
        raise TenantNotActive(f"The tenant is not active: {tenant.state}.")
    return tenant


def write_plan(*, tenant_id: UUID, plan: PlanKind, steps: Sequence[Step]) -> UUID:
    """Write the steps in the caller's write scope; the first position is due, and sent on commit."""
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
        )
        for step in sorted(steps, key=lambda step: step.position)
    ]
    make_due(rows)
    KeyOperation.objects.bulk_create(rows)
    return plan_id


def make_due(rows: Sequence[KeyOperation]) -> list[KeyOperation]:
    """Mark and send the first position of a plan that is not done yet; the caller saves what is returned.

    `rows` are all rows of the plan: new ones, or locked, so that of two steps that finish together the second sees
    the first and the next position is never forgotten.
    """
    unfinished = [row for row in rows if row.state != OperationState.DONE]
    first = min((row.position for row in unfinished), default=None)
    due = [
        row for row in unfinished if row.position == first and row.state == OperationState.PLANNED
    ]
    for row in due:
        row.state = OperationState.DUE
        row.next_attempt_at = Now()  # the database's clock, which all workers share
        enqueue_operation(tenant_id=row.tenant_id, operation_id=row.id, run_region=row.run_region)
    return due
