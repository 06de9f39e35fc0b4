"""How far the plans of a tenant's key work have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, Q, QuerySet

from tenants.errors import NotFound
from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.states import OperationKind, OperationState


@dataclass(frozen=True, slots=True)
class OperationView:
    """One step. `error` is empty, or holds the `code` and `message` of the last try that failed.

    `done` and `total` count the rows that a long step works through; None for a step that does one thing."""

    id: UUID
    kind: str
    region: str
    run_region: str
    position: int
    state: str
    attempts: int
    error: Mapping[str, str]
    next_attempt_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """One plan of a tenant; all zero where there is none. The counts are of its steps."""

    plan_id: UUID | None
    plan: str
    done: int
    total: int
    failed: int
    operations: tuple[OperationView, ...]
    cancelled: int = 0
    paused: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: every step is done, or was cancelled."""
        return self.done + self.cancelled == self.total > 0

    @property
    def is_rolled_back(self) -> bool:
        """Whether it was a change that failed, and what it changed was or is being restored."""
        return any(one.kind == OperationKind.ROLL_BACK_RULES for one in self.operations)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """One plan and the counts of its steps. `finished_at` is when the last of them was, None before."""

    plan_id: UUID
    plan: str
    done: int
    total: int
    failed: int
    cancelled: int
    paused: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do: every step is done, or was cancelled."""
        return self.done + self.cancelled == self.total


_COUNTED = (
    OperationState.DONE,
    OperationState.FAILED,
    OperationState.CANCELLED,
    OperationState.PAUSED,
)


def get_progress(tenant_id: UUID) -> Progress:
    """The newest plan, its steps in the order in which they run."""
    with tenant_scope(tenant_id, "read"):
        mine = KeyOperation.objects.filter(tenant_id=tenant_id)
        newest = mine.order_by("-plan_id").values("plan_id")[:1]
        return _progress(mine.filter(plan_id__in=newest))


def get_plan(tenant_id: UUID, plan_id: UUID) -> Progress:
    """That plan, its steps in the order in which they run. Raises `NotFound`."""
    with tenant_scope(tenant_id, "read"):
        found = _progress(KeyOperation.objects.filter(tenant_id=tenant_id, plan_id=plan_id))
    if found.plan_id is None:
        raise NotFound("No such plan.")
    return found


def list_plans(tenant_id: UUID, *, before: UUID | None = None, limit: int = 50) -> list[PlanView]:
    """Up to `limit` plans, the newest first: those before the plan `before`, whose ids are in order of time."""
    with tenant_scope(tenant_id, "read"):
        mine = KeyOperation.objects.filter(tenant_id=tenant_id)
        if before is not None:
            mine = mine.filter(plan_id__lt=before)
        plans = mine.values("plan_id", "plan").annotate(
            total=Count("id"),
            **{str(state): Count("id", filter=Q(state=state)) for state in _COUNTED},
            first=Min("created_at"),
            last=Max("finished_at"),
        )
        return [_plan_view(**plan) for plan in plans.order_by("-plan_id")[:limit]]


def _plan_view(*, first: datetime, last: datetime | None, **facts: Any) -> PlanView:
    plan = PlanView(created_at=first, finished_at=last, **facts)
    return plan if plan.is_finished else replace(plan, finished_at=None)


def _progress(plan: QuerySet[KeyOperation]) -> Progress:
    rows = list(plan.order_by("position", "id"))
    states = [row.state for row in rows]
    return Progress(
        plan_id=rows[0].plan_id if rows else None,
        plan=rows[0].plan if rows else "",
        done=states.count(OperationState.DONE),
        total=len(rows),
        failed=states.count(OperationState.FAILED),
        operations=tuple(view_of_operation(row) for row in rows),
        cancelled=states.count(OperationState.CANCELLED),
        paused=states.count(OperationState.PAUSED),
    )


def view_of_operation(row: KeyOperation) -> OperationView:
    """What the row says of its step."""
    return OperationView(
        id=row.id,
        kind=row.kind,
        region=row.region,
        run_region=row.run_region,
        position=row.position,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        next_attempt_at=row.next_attempt_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        done=_count(row.result.get("done")),
        total=_count(row.result.get("total")),
    )


def _count(found: object) -> int | None:
    """What a step has written of its rows; a step that does one thing may have facts of the same names."""
    return found if type(found) is int else None
