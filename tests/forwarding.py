"""A connection to a reader of Aurora with write forwarding, played on a plain replica and a plain writer.

What is read comes from the replica; what writes goes to the writer, in a transaction there with the same settings. It
refuses what Aurora refuses ("Limitations and considerations of local write forwarding", Aurora User Guide), and reads
after writes in the same transaction: what a plain SELECT would show there AWS does not say.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import psycopg
from django.db import connections

from tenants.consistency import WRITER

# By the first words of a statement.
_REFUSED = re.compile(
    r"(analyze|cluster|copy|vacuum|truncate|lock|listen|unlisten|notify|grant|revoke|reassign|security label"
    r"|declare|fetch|move|close|savepoint|release|rollback to|set constraints|prepare transaction"
    r"|commit prepared|rollback prepared|create|alter|drop|comment|reindex|refresh|call|do)\b"
)
_REFUSED_INSIDE = re.compile(r"\b(nextval|setval)\s*\(|^select\b[^;(]*\binto\b")
_WRITES = re.compile(r"\b(insert into|update|delete from)\b|\bfor (no key )?(update|share)\b")
_SETTING = re.compile(r"\bset_config\(")


class NotForwarded(psycopg.errors.FeatureNotSupported):
    """Aurora says SQLSTATE 0A000."""

    sqlstate = "0A000"


class ForwardingConnection(psycopg.Connection[Any]):
    """`settings_travel` says whether the settings of a transaction reach the writer; `waits` whether a read waits for
    what its session has written, as the modes session and global do; `forwarded` lists what was."""

    settings_travel: ClassVar[bool] = True
    waits: ClassVar[bool] = True
    forwarded: ClassVar[list[str]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings_of_transaction: list[tuple[Any, Any]] = []
        self._writer: psycopg.Connection[Any] | None = None
        self._written: str | None = None

    def place_of(self, sql: Any, parameters: Any) -> psycopg.Connection[Any]:
        """Where this statement runs; raises `NotForwarded`."""
        text = " ".join(str(sql).lower().split())
        if _REFUSED.match(text) or _REFUSED_INSIDE.search(text):
            raise NotForwarded(f"Not supported: {text[:40]}")
        if _WRITES.search(text):
            self.forwarded.append(text)
            return self._on_writer()
        if _SETTING.search(text):
            self._settings_of_transaction.append((sql, parameters))
        elif self._writer is not None:
            raise NotForwarded(f"Reads after a write: {text[:40]}")
        self._wait()
        return self

    def _wait(self) -> None:
        """For what this session has written, once."""
        position, self._written = self._written, None
        while self.waits and position:
            cursor = psycopg.Cursor(self)
            _execute(cursor, "select pg_last_wal_replay_lsn() >= %s::pg_lsn", [position])
            position = None if cursor.fetchone() == (True,) else position

    def _on_writer(self) -> psycopg.Connection[Any]:
        """In the transaction there, which begins with the first statement."""
        if self._writer is None:
            self._writer = psycopg.connect(**connections[WRITER].get_connection_params())
            if self.settings_travel:
                for sql, parameters in self._settings_of_transaction:
                    self._writer.execute(sql, parameters)
        return self._writer

    def commit(self) -> None:
        if self._writer is not None:
            self._writer.commit()
            where = "select pg_current_wal_flush_lsn()::text"
            [self._written] = self._writer.execute(where).fetchone() or [None]
        self._end()
        super().commit()

    def rollback(self) -> None:
        self._end()
        super().rollback()

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._settings_of_transaction, self._writer = [], None


_execute, _declare = psycopg.Cursor.execute, psycopg.ServerCursor.execute


def _execute_in_place(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
    """A cursor of such a connection becomes one of the writer's for a statement that is forwarded."""
    if isinstance(cursor._conn, ForwardingConnection):
        place = cursor._conn.place_of(query, params)
        cursor._conn, cursor._pgconn = place, place.pgconn
    return _execute(cursor, query, params, **options)


def _declare_nowhere(cursor: Any, query: Any, params: Any = None, **options: Any) -> Any:
    if isinstance(cursor._conn, ForwardingConnection):
        raise NotForwarded("Cursors are not supported.")
    return _declare(cursor, query, params, **options)


# Other connections are as before.
psycopg.ServerCursor.execute = _declare_nowhere  # type: ignore[method-assign,assignment]
psycopg.Cursor.execute = _execute_in_place  # type: ignore[method-assign,assignment]
