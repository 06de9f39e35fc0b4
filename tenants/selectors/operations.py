"""How far a plan of key work has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.states import OperationState


@dataclass(frozen=True, slots=True)
class OperationView:
    """One step. `error` is empty, or holds the `code` and `message` of the last try that failed."""

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


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest plan of a tenant; all zero where there is none."""

    plan_id: UUID | None
    plan: str
    done: int
    total: int
    failed: int
    operations: tuple[OperationView, ...]

    @property
    def is_finished(self) -> bool:
        """Whether every step is done."""
        return self.done == self.total > 0


def get_progress(tenant_id: UUID) -> Progress:
    """The newest plan, its steps in the order in which they run."""
    with tenant_scope(tenant_id, "read"):
        mine = KeyOperation.objects.filter(tenant_id=tenant_id)
        newest = mine.order_by("-plan_id").values("plan_id")[:1]
        rows = list(mine.filter(plan_id__in=newest).order_by("position", "id"))
    states = [row.state for row in rows]
    return Progress(
        plan_id=rows[0].plan_id if rows else None,
        plan=rows[0].plan if rows else "",
        done=states.count(OperationState.DONE),
        total=len(rows),
        failed=states.count(OperationState.FAILED),
        operations=tuple(_view(row) for row in rows),
    )


def _view(row: KeyOperation) -> OperationView:
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
    )
