"""Read-your-writes between Regions: a write hands out a token, a later read that brings it waits or asks the writer.

The token is the writer's flushed position in the write-ahead log (a PostgreSQL LSN such as `0/3A1B2C8`). The flushed
position is used because the insert position may lie in log that is not yet sent anywhere.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from psycopg_pool import PoolTimeout

log = logging.getLogger(__name__)

WRITER = "default"
LOCAL = "local"
# This Region's reader, which hands writes on to the writer: there only where GATEWAY_WRITE_FORWARDING says so.
FORWARDING = "forwarding"
WAIT_SECONDS = 0.05
_TRIES = 3
READER_RESTS_SECONDS = 10.0
# As long as clients are told to wait (WriterMoved), so that the first to come back tries it.
WRITER_RESTS_SECONDS = 2.0
FORWARDING_RESTS_SECONDS = 60.0
_PATTERN = re.compile(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}\Z")
# No reader ever gets there: reads of this request go to the writer.
_UNREACHABLE = "FFFFFFFF/FFFFFFFF"

required: ContextVar[str | None] = ContextVar("required_position", default=None)
written: ContextVar[str | None] = ContextVar("written_position", default=None)
noting: ContextVar[bool] = ContextVar("noting_writes", default=True)


class Server:
    """Whether a database answers. After a failure it rests; then one caller at a time tries it again, so that the
    others do not all wait for a connection that does not come."""

    def __init__(self, name: str, rest_seconds: float) -> None:
        """`name` is for the log."""
        self._name = name
        self._rest_seconds = rest_seconds
        self._rests_until = 0.0

    def may_be_tried(self) -> bool:
        """Whether the next query should go there."""
        if not self._rests_until:
            return True
        now = time.monotonic()
        if now < self._rests_until:
            return False
        self._rests_until = now + self._rest_seconds
        return True

    def failed(self) -> None:
        """It could not be reached: it is left alone for a while."""
        if not self._rests_until:
            log.warning("The %s does not answer.", self._name)
        self._rests_until = time.monotonic() + self._rest_seconds

    def answered(self) -> None:
        """It works, perhaps again."""
        if self._rests_until:
            log.warning("The %s answers again.", self._name)
            self._rests_until = 0.0


class Fence:
    """Refuses a writer that another one has replaced: after a failover it may come back and still take writes, which
    nobody would ever see. Each write begins by asking which epoch the server believes in (`WriterEpoch`)."""

    def __init__(self) -> None:
        """Nothing is known yet: the first writer is believed."""
        self.highest = 0
        self.region = ""

    def lets_pass(self, epoch: int, region: str = "") -> bool:
        """Whether no newer writer has been seen by this process. `region` is where the writer of that epoch is."""
        if epoch >= self.highest:
            self.highest, self.region = epoch, region
        return epoch == self.highest


# While the reader rests, reads go to the writer; while the writer rests, gateway/postgresql refuses its connections.
reader = Server("local reader", READER_RESTS_SECONDS)
writer = Server("writer", WRITER_RESTS_SECONDS)
forwarding = Server("forwarding of writes", FORWARDING_RESTS_SECONDS)
fence = Fence()


def is_token(text: str) -> bool:
    """Whether this has the form of a token."""
    return _PATTERN.match(text) is not None


@contextmanager
def unnoted() -> Iterator[None]:
    """For work that answers nobody: its writes are not noted, and what it reads it reads from the writer."""
    notes, position = noting.set(False), required.set(_UNREACHABLE)
    try:
        yield
    finally:
        noting.reset(notes)
        required.reset(position)


def note_write() -> None:
    """Remember how far the writer's log reached, for the answer of this request and for its later reads.

    The write is already committed: where the position cannot be had, there is no token, and no error either.
    """
    if not noting.get():
        return
    position: str | None = None
    try:
        with connections[WRITER].cursor() as cursor:
            cursor.execute("select pg_current_wal_flush_lsn()::text")
            position = str(cursor.fetchone()[0])
    except (DatabaseError, InterfaceError):
        log.warning(
            "The position of a committed write is unknown; this request reads from the writer."
        )
        connections[WRITER].close()
    written.set(position)
    required.set(position or _UNREACHABLE)


def may_forward() -> bool:
    """Whether a write may go through this Region's reader: it is switched on, works, and the writer is elsewhere."""
    if settings.GATEWAY_WRITE_FORWARDING == "off" or fence.region == settings.GATEWAY_REGION:
        return False
    return forwarding.may_be_tried()


def note_forwarded_write() -> None:
    """Wait until this Region's reader shows the write, where the mode promises that: the next read of the session that
    wrote does. There is no token: the position is the writer's, and it would take a round trip to ask."""
    if not noting.get():
        return
    written.set(None)
    if settings.GATEWAY_WRITE_FORWARDING == "eventual":
        required.set(_UNREACHABLE)
        return
    try:
        with connections[FORWARDING].cursor() as cursor:
            cursor.execute("select epoch from tenants_writerepoch")
    except (DatabaseError, InterfaceError):
        connections[FORWARDING].close()
        required.set(_UNREACHABLE)


def reader_alias() -> str:
    """The local reader when it has replayed what this caller must see, within 50 ms; otherwise the writer."""
    position = required.get()
    if position == _UNREACHABLE or not reader.may_be_tried():
        return WRITER
    for _ in range(_TRIES):  # one that was lost says nothing of the next
        try:
            return LOCAL if position is None or _replays_in_time(position) else WRITER
        except (DatabaseError, InterfaceError) as error:
            connections[LOCAL].close()
            if isinstance(error.__cause__, PoolTimeout):
                break
    reader.failed()
    return WRITER


def _replays_in_time(position: str) -> bool:
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.001
    while not _has_replayed(position):
        if time.monotonic() + pause > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.6, 0.02)
    return True


def _has_replayed(position: str) -> bool:
    with connections[LOCAL].cursor() as cursor:
        cursor.execute(
            "select case when pg_is_in_recovery()"
            " then pg_last_wal_replay_lsn() >= %s::pg_lsn else true end",
            [position],
        )
        return bool(cursor.fetchone()[0])
