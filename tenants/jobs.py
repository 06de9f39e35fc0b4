"""Jobs: their names, and how one is sent to a worker.

The broker is a hint. What is due stands in the operations table, and each Region's sweep finds it there again, so a
message that is lost costs seconds and never work. A broker that is down is therefore logged and otherwise ignored.
"""

from __future__ import annotations

import threading
import time
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from tenants import consistency

RUN_OPERATION = "tenants.run_operation"
SWEEP_OPERATIONS = "tenants.sweep_operations"

# A message older than this is of no use: the sweep has sent another.
_EXPIRES_SECONDS = 60
# After a failure nothing is sent for a while, so that a broker that is down delays one request and not each.
_REST_SECONDS = 10.0
_log = structlog.get_logger(__name__)


class _Broker:
    """Sends messages without waiting, and rests after a failure. One per process, shared by its threads."""

    def __init__(self) -> None:
        self._resting_until = 0.0
        self._lock = threading.Lock()

    def send(self, name: str, arguments: list[str], queue: str) -> None:
        with self._lock:
            if time.monotonic() < self._resting_until:
                return
        try:
            current_app.send_task(
                name, args=arguments, queue=queue, retry=False, expires=_EXPIRES_SECONDS
            )
        except (OperationalError, OSError) as error:
            with self._lock:
                self._resting_until = time.monotonic() + _REST_SECONDS
            _log.warning("broker_unreachable", job=name, queue=queue, error=type(error).__name__)


_broker = _Broker()


def enqueue_operation(*, tenant_id: UUID, operation_id: UUID, run_region: str) -> None:
    """Send the operation to that Region's workers once the transaction around this has committed, if any.

    Nothing is sent to a Region that this process's broker does not serve: that Region's own sweep picks it up.
    """
    if run_region not in settings.GATEWAY_BROKER_REGIONS:
        return
    arguments = [str(tenant_id), str(operation_id)]
    transaction.on_commit(
        lambda: _broker.send(RUN_OPERATION, arguments, run_region),
        using=consistency.WRITER,
        robust=True,
    )
