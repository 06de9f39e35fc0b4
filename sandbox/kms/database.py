"""The file behind the store: SQLite, readable by its owner alone, on disk before a change is answered.

WAL with synchronous=FULL is a log that is flushed at each commit, so a change is whole or absent after `kill -9` or a
power cut. The file holds key material, as the key store of a sandbox must: keep real data away from it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

FILE = "keys.sqlite"

_SCHEMA = """
create table if not exists record (
    kind text not null, name text not null, body text not null, primary key (kind, name)
) without rowid, strict
"""


class StateInUse(RuntimeError):
    """Another process serves this state directory."""


class Database:
    """Named texts of a few kinds. One process at a time."""

    def __init__(self, directory: Path) -> None:
        """Open or create the file in `directory`; raises `StateInUse`."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise StateInUse(f"Another KMS stand-in uses {directory}.") from error
        path = directory / FILE
        # SQLite gives the write-ahead log the mode of the file that it belongs to.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = full")
        self._connection.execute(_SCHEMA)

    def records(self) -> Iterator[tuple[str, str, str]]:
        """Everything: kind, name, body."""
        yield from self._connection.execute("select kind, name, body from record")

    def write(
        self, puts: Iterable[tuple[str, str, str]], deletes: Iterable[tuple[str, str]] = ()
    ) -> None:
        """All of it or nothing, flushed to disk before this returns."""
        self._connection.execute("begin immediate")
        try:
            self._connection.executemany("insert or replace into record values (?, ?, ?)", puts)
            self._connection.executemany("delete from record where kind = ? and name = ?", deletes)
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._connection.close()
        os.close(self._lock)
