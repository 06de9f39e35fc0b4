"""Tasks: parse ids, call one service. A task may be lost, late or run twice; the operations table decides."""

from __future__ import annotations

from uuid import UUID

import structlog
from celery import shared_task
from django.conf import settings

from crypto.errors import KeyUnavailable
from tenants import consistency, jobs
from tenants.errors import CallQuotaReached, WriterMoved
from tenants.request import request_id
from tenants.services import (
    heartbeat,
    operations,
    orphan_decisions,
    orphans,
    reconciliation,
    revocation,
)

# After so many steps, or parts of a long one, others have their turn.
_MOST_IN_A_ROW = 20
_log = structlog.get_logger(__name__)


@shared_task(name=jobs.RUN_OPERATION)
def run_operation(tenant_id: str, operation_id: str) -> None:
    """Run one operation, if it is due here, and go on with one that it makes due here: a plan that was begun is
    brought to its end before others are begun, and most of its steps need no message.

    Without a database it stays as it is, for a later sweep.
    """
    due = [(UUID(tenant_id), UUID(operation_id))]
    for _ in range(_MOST_IN_A_ROW):
        with jobs.keeping_one() as kept:
            _run(*due[0])
        if not kept:
            return
        due = kept
    [(tenant, operation)] = due
    jobs.enqueue_operation(
        tenant_id=tenant, operation_id=operation, run_region=settings.GATEWAY_REGION
    )


def _run(tenant_id: UUID, operation_id: UUID) -> None:
    token = request_id.set(str(operation_id))
    try:
        with consistency.unnoted():
            operations.run_operation(tenant_id=tenant_id, operation_id=operation_id)
    except WriterMoved:
        _log.warning("operation_left", operation=str(operation_id), error=WriterMoved.code)
    finally:
        request_id.reset(token)


@shared_task(name=jobs.SWEEP_OPERATIONS)
def sweep_operations() -> None:
    """Beat, and send again what this Region's workers should run and have not."""
    try:
        heartbeat.beat_heart(region=settings.GATEWAY_REGION)
        revocation.take_over_disabling(region=settings.GATEWAY_REGION)
        operations.sweep_operations(region=settings.GATEWAY_REGION)
    except WriterMoved:
        _log.warning("sweep_skipped", error=WriterMoved.code)


@shared_task(name=jobs.RECONCILE)
def reconcile() -> None:
    """Compare a batch of this Region's keys with what they should be."""
    try:
        reconciliation.reconcile(region=settings.GATEWAY_REGION)
    except WriterMoved:
        _log.warning("reconciliation_skipped", error=WriterMoved.code)


@shared_task(name=jobs.FIND_ORPHANS)
def find_orphans(page_id: str = "") -> None:
    """Carry out what was decided on, and look for keys of this Region that nobody owns."""
    region = settings.GATEWAY_REGION
    try:
        orphan_decisions.carry_out_decisions(region=region)
        following = orphans.find_orphans(region=region, token=page_id)
    except (WriterMoved, KeyUnavailable, CallQuotaReached) as error:
        _log.warning("orphans_skipped", error=error.code)
        return
    if following:
        jobs.enqueue_orphans(region=region, token=following)
