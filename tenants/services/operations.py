"""The engine: runs one operation at a time, safely twice, and finds again what a lost message has left.

    claim (a transaction)  ->  perform (no transaction, talks to AWS)  ->  record, finish, make due (a transaction)

A worker that is killed before the last commit leaves a lease that runs out; whoever claims next finds what was made.
"""

from __future__ import annotations

from datetime import timedelta
from secrets import SystemRandom
from typing import Any, Final
from uuid import UUID

import structlog
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from crypto.errors import CryptoError
from tenants.actor import Actor
from tenants.errors import NotFound, OperationNotRetryable, TenantError
from tenants.jobs import SWEEP_AHEAD_SECONDS, enqueue_operation
from tenants.models import KeyOperation
from tenants.scope import fleet_scope, tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.call_budget import turns_of
from tenants.services.claims import CLAIMABLE, ClaimLost, claim, held, put_back
from tenants.services.handlers import HANDLERS, ON_FAILURE
from tenants.services.plans import locked_tenant, make_due
from tenants.services.work import SLOTS, Continue, Handler, NotYet, Result, Work
from tenants.states import OperationState, PlanKind, TenantState

# Tries of an error that may pass by itself but need not; with the pauses below they take about half a minute.
MOST_TRIES: Final = 5
LONGEST_PAUSE_SECONDS: Final = 60.0
SWEEP_BATCH: Final = 500
# Plans that go on while a tenant is revoked.
OF_THE_REVOKED: Final = (PlanKind.REVOCATION, PlanKind.RESTORATION, PlanKind.OFFBOARDING)

_random = SystemRandom()
_log = structlog.get_logger(__name__)


def run_operation(*, tenant_id: UUID, operation_id: UUID) -> None:
    """Run one operation if it is due in this process's Region; otherwise do nothing. Safe to call at any time.

    What goes wrong is written to the operation and not raised, but for the loss of the database itself.
    """
    work = claim(tenant_id=tenant_id, operation_id=operation_id)
    if work is None:
        return
    try:
        _run(work, HANDLERS[work.kind])
    except ClaimLost:
        _log.info("claim_lost", operation=str(operation_id), kind=work.kind, attempt=work.attempt)


def sweep_operations(*, region: str) -> int:
    """Send again what that Region's workers should run and have not: due, or under a lease that ran out. What will be
    so before the next sweep is sent ahead, to be run at its time.

    Returns how many were found, at most SWEEP_BATCH, the oldest first. Reads the partial index of unfinished work from
    the local reader: what it shows too late is sent by the next sweep.
    """
    with fleet_scope("read"):
        waiting = waiting_in(region).annotate(ahead=F("next_attempt_at") - Now())
        found = list(waiting.values_list("tenant_id", "id", "ahead")[:SWEEP_BATCH])
    for tenant_id, operation_id, ahead in found:
        enqueue_operation(
            tenant_id=tenant_id,
            operation_id=operation_id,
            run_region=region,
            due_in=ahead.total_seconds(),
            again=True,
        )
    return len(found)


def waiting_in(region: str) -> QuerySet[KeyOperation]:
    """What that Region's workers may claim now or before the next sweep, of all tenants, the oldest first."""
    return KeyOperation.objects.filter(
        run_region=region,
        state__in=CLAIMABLE,
        next_attempt_at__lte=Now() + timedelta(seconds=SWEEP_AHEAD_SECONDS),
    ).order_by("next_attempt_at")


def retry_operation(*, tenant_id: UUID, operation_id: UUID, actor: Actor) -> None:
    """Run a failed operation again, and with it its plan. Raises `NotFound` and `OperationNotRetryable`.

    While the tenant is revoked, only what belongs to its revocation, restoration or end can be: all else could open
    its key again.
    """
    with tenant_scope(tenant_id, "write"):
        # Locked, so that a revocation at this moment either is seen here, or sees and pauses what this makes due.
        tenant = locked_tenant(tenant_id, *TenantState)
        row = (
            KeyOperation.objects.select_for_update()
            .filter(tenant_id=tenant_id, id=operation_id)
            .first()
        )
        if row is None:
            raise NotFound("No such operation.")
        if row.state != OperationState.FAILED:
            raise OperationNotRetryable("Only a failed operation can be retried.")
        if tenant.state == TenantState.REVOKED and row.plan not in OF_THE_REVOKED:
            raise OperationNotRetryable("The tenant is revoked: restore it first.")
        row.state, row.failures, row.finished_at = OperationState.DUE, 0, None
        row.next_attempt_at = Now()
        row.save(update_fields=["state", "failures", "finished_at", "next_attempt_at"])
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="operation.retried",
            subject=str(operation_id),
            detail={"kind": row.kind, "region": row.region},
        )
        enqueue_operation(tenant_id=tenant_id, operation_id=operation_id, run_region=row.run_region)


def _run(work: Work, handler: Handler) -> None:
    try:
        with turns_of(work):
            result = handler.perform(work)
        _finish(work, handler, result)
    except NotYet as wait:
        _put_back(work, wait)
    except Continue as part:
        _go_on(work, part)
    except ClaimLost:
        raise
    except Exception as error:  # whatever it is, the plan must not stop without saying so
        _fail(work, error, settles=isinstance(error, handler.settles))


def _finish(work: Work, handler: Handler, result: Result) -> None:
    """One transaction: facts, result, and what is due next."""
    with held(work) as plan:
        handler.record(work, result)
        own = plan.own
        own.state, own.result, own.error, own.failures = OperationState.DONE, result, {}, 0
        own.next_attempt_at, own.finished_at = None, Now()
        own.save()
        if due := make_due(plan.rows):
            KeyOperation.objects.filter(id__in=[row.id for row in due]).update(
                state=OperationState.DUE, next_attempt_at=Now()
            )


def _put_back(work: Work, wait: NotYet) -> None:
    """Not ready yet, which is no failure."""
    forgotten: dict[str, object] = {"failures": 0, "error": {}} if wait.forgets else {}
    put_back(work, wait.seconds, wait.facts, **forgotten)


def _go_on(work: Work, part: Continue) -> None:
    """Write down how far it is, and send it again."""
    with held(work) as plan:
        own = plan.own
        own.result.pop(SLOTS, None)
        own.result |= part.facts
        own.state, own.next_attempt_at, own.failures, own.error = OperationState.DUE, Now(), 0, {}
        own.save(update_fields=["state", "next_attempt_at", "failures", "error", "result"])
        enqueue_operation(tenant_id=own.tenant_id, operation_id=own.id, run_region=own.run_region)


def _fail(work: Work, error: Exception, *, settles: bool) -> None:
    """Retryable: again, for as long as it takes. Unknown, or may settle: again a few times. Else: stop the plan."""
    known = isinstance(error, CryptoError | TenantError)
    patient = settles or not known
    again = _is_retryable(error) or (patient and work.failures + 1 < MOST_TRIES)
    _log.warning(
        "operation_failed",
        operation=str(work.operation_id),
        kind=work.kind,
        region=work.region,
        attempt=work.attempt,
        error=type(error).__name__,
        again=again,
    )
    failed: dict[str, Any] = {"failures": work.failures + 1, "error": _said(error)}
    if again:
        put_back(work, pause_seconds(work.failures), {}, **failed)
        return
    with held(work) as plan:
        plan.own.failures, plan.own.error = failed["failures"], failed["error"]
        _stop(plan.own)
        if then := ON_FAILURE.get(PlanKind(plan.own.plan)):
            then(work, plan)


def pause_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row: doubling to a minute, with jitter, so that what failed
    together does not come back together."""
    return min(2.0 ** min(failures, 10), LONGEST_PAUSE_SECONDS) * _random.uniform(0.5, 1.0)


def _stop(row: KeyOperation) -> None:
    row.state, row.next_attempt_at, row.finished_at = OperationState.FAILED, None, Now()
    row.save(update_fields=["state", "next_attempt_at", "finished_at", "failures", "error"])
    record_event(
        tenant_id=row.tenant_id,
        actor=this_worker(),
        action="operation.failed",
        subject=str(row.id),
        detail={"kind": row.kind, "region": row.region, **row.error},
    )


def _is_retryable(error: Exception) -> bool:
    return isinstance(error, CryptoError | TenantError) and error.retryable


def _said(error: Exception) -> dict[str, str]:
    """Code and text of an error of ours; of one that nobody foresaw the class alone: its text may hold anything."""
    if isinstance(error, CryptoError | TenantError):
        return {"code": error.code, "message": str(error)}
    return {"code": "unexpected", "message": f"{type(error).__name__} in this step."}
