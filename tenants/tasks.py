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

_log = structlog.get_logger(__name__)


@shared_task(name=jobs.RUN_OPERATION)
def run_operation(tenant_id: str, operation_id: str) -> None:
    """Run one operation, if it is due here. Without a database it stays as it is, for a later sweep."""
    token = request_id.set(operation_id)
    try:
        with consistency.unnoted():
            operations.run_operation(tenant_id=UUID(tenant_id), operation_id=UUID(operation_id))
    except WriterMoved:
        _log.warning("operation_left", operation=operation_id, error=WriterMoved.code)
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
