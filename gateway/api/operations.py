"""Operations: how far a tenant's newest plan has come, and retrying a failed step. `plans.py` has all its plans."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_id, named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer, shaped
from tenants.errors import NotFound, OperationNotRetryable
from tenants.selectors import Progress, get_progress
from tenants.services.operations import retry_operation


class OperationError(Answer):
    """Why the last try failed; empty texts where none did."""

    code: str = ""
    message: str = ""


class KeyOperation(Answer):
    """One step of a plan. Equal positions run in parallel; `run_region` is the Region whose worker runs it.

    `done` and `total` count the rows that a long step works through, and are null for one that does a single thing."""

    id: UUID
    kind: str
    region: str
    run_region: str
    position: int
    state: str
    attempts: int
    error: OperationError
    next_attempt_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    done: int | None
    total: int | None


class Plan(Answer):
    """A plan of a tenant, its steps in the order in which they run; `plan_id` is null where there is none.

    `is_finished` says that nothing is left to do: every step is done, or was cancelled. A paused one waits until the
    tenant is restored. `is_rolled_back` is a change that failed and was taken back: the step that failed is cancelled,
    and its `error` is the reason."""

    plan_id: UUID | None
    plan: str
    done: int
    total: int
    failed: int
    cancelled: int
    paused: int
    is_finished: bool
    is_rolled_back: bool
    operations: list[KeyOperation]


class PlanStarted(Answer):
    """Work that has been planned; `progress` is the path to follow."""

    plan_id: UUID
    progress: str


def plan_of(progress: Progress) -> Plan:
    """The shape of a progress."""
    return shaped(progress, Plan)


def plan_started(slug: str, plan_id: UUID) -> Response:
    """202, with the way to the progress."""
    progress = reverse("api:operations", args=[slug])
    return Response(
        PlanStarted(plan_id=plan_id, progress=progress), status=202, headers={LOCATION: progress}
    )


class Operations(OperatorView):
    """/tenants/{slug}/operations"""

    @operation("getProgress", answers={200: Plan}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """Progress of a tenant's newest plan"""
        return Response(plan_of(get_progress(named_tenant(slug).id)))


class Retry(OperatorView):
    """/tenants/{slug}/operations/{operation_id}/retry"""

    @operation(
        "retryOperation",
        answers={202: Plan},
        errors=(NotFound, OperationNotRetryable),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, slug: str, operation_id: str) -> Response:
        """Retry a failed operation"""
        tenant = named_tenant(slug)
        retry_operation(tenant_id=tenant.id, operation_id=named_id(operation_id), actor=self.actor)
        return Response(plan_of(get_progress(tenant.id)), status=202)
