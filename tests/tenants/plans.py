"""Hands on the operations of a tenant: find one, look at its row, replace its handler, kill its worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.selectors import OperationView, TenantView, get_progress
from tenants.services import operations
from tenants.services.handlers import HANDLERS
from tenants.services.work import Result, Work
from tenants.states import OperationKind, OperationState


class Killed(BaseException):
    """The worker is gone: nothing after this runs, not even an `except Exception`."""


@dataclass
class Fake:
    """A handler that does what the test says, and remembers what it was asked."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()
    does: Callable[[Work], Result | None] = lambda _: {}
    records: Callable[[Work], None] = lambda _: None
    seen: list[Work] = field(default_factory=list)

    def perform(self, work: Work) -> Result:
        self.seen.append(work)
        return self.does(work) or {}

    def record(self, work: Work, result: Result) -> None:
        self.records(work)


def raising(error: BaseException) -> Callable[[Work], Result | None]:
    """Something that goes wrong in this way."""

    def go(_: Work) -> Result | None:
        raise error

    return go


@contextmanager
def handled_by(handlers: Mapping[OperationKind, Any]) -> Iterator[None]:
    """Let these handlers do the work."""
    before = dict(HANDLERS)
    HANDLERS.update(handlers)  # type: ignore[attr-defined]  # a Mapping to everybody else
    try:
        yield
    finally:
        HANDLERS.update(before)  # type: ignore[attr-defined]


def step(tenant: TenantView, kind: OperationKind, region: str = "") -> OperationView:
    """That step of the newest plan."""
    return next(
        one
        for one in get_progress(tenant.id).operations
        if one.kind == kind and region in ("", one.region)
    )


def run(tenant: TenantView, operation: OperationView) -> OperationView:
    """Run it in this process, and look again."""
    operations.run_operation(tenant_id=tenant.id, operation_id=operation.id)
    return next(one for one in get_progress(tenant.id).operations if one.id == operation.id)


def row(tenant: TenantView, operation_id: UUID) -> KeyOperation:
    """The row itself."""
    with tenant_scope(tenant.id, "latest"):
        return KeyOperation.objects.get(id=operation_id)


def make_due(tenant: TenantView, operation_id: UUID, **fields: Any) -> None:
    """Let a worker claim it now; `fields` of its row are changed with it."""
    with tenant_scope(tenant.id, "write"):
        KeyOperation.objects.filter(tenant_id=tenant.id, id=operation_id).update(
            state=OperationState.DUE, next_attempt_at=Now(), **fields
        )


def is_due(tenant: TenantView, operation_id: UUID) -> bool:
    """Whether the database says that a worker may claim it now."""
    with tenant_scope(tenant.id, "latest"):
        return KeyOperation.objects.filter(id=operation_id, next_attempt_at__lte=Now()).exists()


def seconds_to_wait(tenant: TenantView, operation_id: UUID) -> float:
    """How far ahead its next attempt is, by the database's clock."""
    with tenant_scope(tenant.id, "latest"):
        found = KeyOperation.objects.annotate(ahead=F("next_attempt_at") - Now())
        return float(found.get(id=operation_id).ahead.total_seconds())
