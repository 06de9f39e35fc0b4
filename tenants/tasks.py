"""Tasks: parse ids, call one service. A task may be lost, late or run twice; the operations table decides."""

from __future__ import annotations

from uuid import UUID

import structlog
from celery import shared_task
from django.conf import settings

from tenants import jobs
from tenants.errors import WriterMoved
from tenants.request import request_id
from tenants.services import operations

_log = structlog.get_logger(__name__)


@shared_task(name=jobs.RUN_OPERATION)
def run_operation(tenant_id: str, operation_id: str) -> None:
    """Run one operation, if it is due here. Without a database it stays as it is, for a later sweep."""
    token = request_id.set(operation_id)
    try:
        operations.run_operation(tenant_id=UUID(tenant_id), operation_id=UUID(operation_id))
    except WriterMoved:
        _log.warning("operation_left", operation=operation_id, error=WriterMoved.code)
    finally:
        request_id.reset(token)


@shared_task(name=jobs.SWEEP_OPERATIONS)
def sweep_operations() -> None:
    """Send again what this Region's workers should run and have not."""
    try:
        operations.sweep_operations(region=settings.GATEWAY_REGION)
    except WriterMoved:
        _log.warning("sweep_skipped", error=WriterMoved.code)
