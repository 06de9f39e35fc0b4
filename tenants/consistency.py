"""Read-your-writes between Regions: a write hands out a token, a later read that brings it waits or asks the writer.

The token is the writer's flushed position in the write-ahead log (a PostgreSQL LSN such as `0/3A1B2C8`). The flushed
position is used because the insert position may lie in log that is not yet sent anywhere.
"""

from __future__ import annotations

import re
import time
from contextvars import ContextVar

from django.db import connections

WRITER = "default"
LOCAL = "local"
WAIT_SECONDS = 0.05
_PATTERN = re.compile(r"[0-9A-F]{1,8}/[0-9A-F]{1,8}\Z")

required: ContextVar[str | None] = ContextVar("required_position", default=None)
written: ContextVar[str | None] = ContextVar("written_position", default=None)


def is_token(text: str) -> bool:
    """Whether this has the form of a token."""
    return _PATTERN.match(text) is not None


def note_write() -> None:
    """Remember how far the writer's log reached, for the answer of this request and for its later reads."""
    with connections[WRITER].cursor() as cursor:
        cursor.execute("select pg_current_wal_flush_lsn()::text")
        position = str(cursor.fetchone()[0])
    written.set(position)
    required.set(position)


def reader_alias() -> str:
    """The local reader when it has replayed what this caller must see, within 50 ms; otherwise the writer."""
    position = required.get()
    if position is None:
        return LOCAL
    deadline = time.monotonic() + WAIT_SECONDS
    pause = 0.001
    while not _has_replayed(position):
        if time.monotonic() + pause > deadline:
            return WRITER
        time.sleep(pause)
        pause = min(pause * 1.6, 0.02)
    return LOCAL


def _has_replayed(position: str) -> bool:
    with connections[LOCAL].cursor() as cursor:
        cursor.execute(
            "select case when pg_is_in_recovery()"
            " then pg_last_wal_replay_lsn() >= %s::pg_lsn else true end",
            [position],
        )
        return bool(cursor.fetchone()[0])
