"""Jobs: their names, and how one is sent to a worker.

The broker is a hint. What is due stands in the operations table, and each Region's sweep finds it there again, so a
message that is lost costs seconds and never work. A broker that is down is therefore logged and otherwise ignored.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from uuid import UUID

import structlog
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from tenants import consistency

RUN_OPERATION = "tenants.run_operation"
SWEEP_OPERATIONS = "tenants.sweep_operations"
RECONCILE = "tenants.reconcile"
FIND_ORPHANS = "tenants.find_orphans"

# A sweep runs every 3 s (gateway/celery.py). What comes due before the next one is sent ahead, for its moment.
SWEEP_AHEAD_SECONDS: Final = 3.5
# A message older than this is of no use: the sweep has sent another.
_EXPIRES_SECONDS = 60
# How long a message may wait in its queue before another is sent.
_AGAIN_SECONDS = 15.0
_SAME_MOMENT_SECONDS = 1.0
_MOST_REMEMBERED = 20_000
# A message for a moment comes a little later, so that the database's clock has certainly reached it.
_MARGIN_SECONDS = 0.03
# After a failure nothing is sent for a while, so that a broker that is down delays one request and not each.
_REST_SECONDS = 10.0
_kept: ContextVar[list[tuple[UUID, UUID]] | None] = ContextVar("kept_operation", default=None)
_log = structlog.get_logger(__name__)


class _Broker:
    """Sends messages without waiting, and rests after a failure. One per process, shared by its threads."""

    def __init__(self) -> None:
        self._resting_until = 0.0
        # Operation -> for which moment this process last sent it, and when.
        self._sent: dict[UUID, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def send(
        self, operation_id: UUID, arguments: list[str], queue: str, due_in: float, *, again: bool
    ) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._resting_until or (again and self._waits(operation_id, now, due_in)):
                return
            if len(self._sent) >= _MOST_REMEMBERED:
                self._sent.clear()
            self._sent[operation_id] = (now + due_in, now)
        if not self.send_task(RUN_OPERATION, arguments, queue, max(0.0, due_in)):
            with self._lock:
                self._sent.pop(operation_id, None)

    def _waits(self, operation_id: UUID, now: float, due_in: float) -> bool:
        """Whether a message for the same moment is still in its queue, or may be."""
        due_at, sent_at = self._sent.get(operation_id, (0.0, -_AGAIN_SECONDS))
        return abs(now + due_in - due_at) < _SAME_MOMENT_SECONDS and now - sent_at < _AGAIN_SECONDS

    def send_task(
        self, name: str, arguments: list[str], queue: str, countdown: float = 0.0
    ) -> bool:
        """Send it, and rest where that fails; whether it was sent."""
        timing: dict[str, Any] = {"countdown": countdown + _MARGIN_SECONDS} if countdown else {}
        try:
            current_app.send_task(
                name,
                args=arguments,
                queue=queue,
                retry=False,
                expires=_EXPIRES_SECONDS + countdown,
                **timing,
            )
        except (OperationalError, OSError) as error:
            with self._lock:
                self._resting_until = time.monotonic() + _REST_SECONDS
            kind = type(error).__name__
            _log.warning("broker_unreachable", job=name, queue=queue, error=kind)
            return False
        return True


_broker = _Broker()


def enqueue_operation(
    *,
    tenant_id: UUID,
    operation_id: UUID,
    run_region: str,
    due_in: float = 0.0,
    again: bool = False,
) -> None:
    """Send the operation to that Region's workers once the transaction around this has committed, if any.

    It is to be run in `due_in` seconds, at once where it has been due. With `again`, nothing is sent if this process
    has just sent it for the same moment: while a queue is long, what waits in it is not sent by every sweep.
    Nothing is sent to a Region that this process's broker does not serve: that Region's own sweep picks it up.
    """
    if run_region not in settings.GATEWAY_BROKER_REGIONS:
        return

    def send() -> None:
        kept = _kept.get()
        at_once = run_region == settings.GATEWAY_REGION and not due_in and not again
        if kept is not None and not kept and at_once:
            kept.append((tenant_id, operation_id))
            return
        arguments = [str(tenant_id), str(operation_id)]
        _broker.send(operation_id, arguments, run_region, due_in, again=again)

    transaction.on_commit(send, using=consistency.WRITER, robust=True)


@contextmanager
def keeping_one() -> Iterator[list[tuple[UUID, UUID]]]:
    """Inside, the first operation that becomes due in this Region is not sent but kept, as tenant and operation, for
    this worker to go on with. Should it die first, the sweep finds what was not sent."""
    kept: list[tuple[UUID, UUID]] = []
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


def enqueue_orphans(*, region: str, token: str = "") -> None:
    """Let that Region's worker look for orphans, after the transaction around this has committed, if any. `token` says
    where an earlier look has ended; it names a page of AWS's list and nothing else. A lost message is made up for by
    the next look."""
    if region in settings.GATEWAY_BROKER_REGIONS:
        transaction.on_commit(
            lambda: _broker.send_task(FIND_ORPHANS, [token], region),
            using=consistency.WRITER,
            robust=True,
        )
