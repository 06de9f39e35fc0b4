"""Read-your-writes between Regions: a write hands out a token, a later read that brings it waits or asks the writer.

The token is the writer's flushed position in the write-ahead log (a PostgreSQL LSN such as `0/3A1B2C8`). The flushed
position is used because the insert position may lie in log that is not yet sent anywhere.
"""

from __future__ import annotations

import logging
import re
import time
from contextvars import ContextVar

from django.db import DatabaseError, InterfaceError, connections

log = logging.getLogger(__name__)

WRITER = "default"
LOCAL = "local"
WAIT_SECONDS = 0.05
READER_RESTS_SECONDS = 10.0
# As long as clients are told to wait (WriterMoved), so that the first to come back tries it.
WRITER_RESTS_SECONDS = 2.0
_PATTERN = re.compile(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}\Z")
# No reader ever gets there: reads of this request go to the writer.
_UNREACHABLE = "FFFFFFFF/FFFFFFFF"

required: ContextVar[str | None] = ContextVar("required_position", default=None)
written: ContextVar[str | None] = ContextVar("written_position", default=None)


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

    def lets_pass(self, epoch: int) -> bool:
        """Whether no newer writer has been seen by this process."""
        self.highest = max(self.highest, epoch)
        return epoch == self.highest


# While the reader rests, reads go to the writer; while the writer rests, gateway/postgresql refuses its connections.
reader = Server("local reader", READER_RESTS_SECONDS)
writer = Server("writer", WRITER_RESTS_SECONDS)
fence = Fence()


def is_token(text: str) -> bool:
    """Whether this has the form of a token."""
    return _PATTERN.match(text) is not None


def note_write() -> None:
    """Remember how far the writer's log reached, for the answer of this request and for its later reads.

    The write is already committed: where the position cannot be had, there is no token, and no error either.
    """
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


def reader_alias() -> str:
    """The local reader when it has replayed what this caller must see, within 50 ms; otherwise the writer."""
    position = required.get()
    if position == _UNREACHABLE or not reader.may_be_tried():
        return WRITER
    try:
        return LOCAL if position is None or _replays_in_time(position) else WRITER
    except (DatabaseError, InterfaceError):
        reader.failed()
        connections[LOCAL].close()
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
