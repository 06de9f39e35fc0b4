"""The wire between this process and the writer, which a test cuts at the moment of a commit."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from django.db import connections

from gateway.postgresql.base import DatabaseWrapper
from tenants import consistency
from tenants.consistency import WRITER
from tests.stack import Stack

# "answer": the writer commits, and nobody hears of it. "request": it never hears of the commit.
Loss = Literal["answer", "request"]


class Wire:
    """Passes bytes on, until it is told to lose some: then the connections in use end without a word."""

    def __init__(self, port: int) -> None:
        """`port` is the writer's."""
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        self.loss: Loss | None = None

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    source: Any = key.fileobj
                    chunk = source.recv(65536)
                    lost = self.loss == ("request" if source is client else "answer")
                    if not chunk or lost:
                        return
                    key.data.sendall(chunk)


@contextmanager
def cut_at_commit(stack: Stack, monkeypatch: pytest.MonkeyPatch, loss: Loss) -> Iterator[list[int]]:
    """The first commit of something written is lost in that way; the list says how many were."""
    writer: Any = connections[WRITER]
    before = (writer.settings_dict["HOST"], writer.settings_dict["PORT"])
    wire, cut = Wire(stack.ports.postgres("us-east-2")), list[int]()
    commit: Any = DatabaseWrapper._commit  # type: ignore[attr-defined]  # Django's own

    def losing(self: DatabaseWrapper) -> None:
        if self.alias == WRITER and not cut and _has_written(self):
            cut.append(1)
            wire.loss = loss
            try:
                commit(self)
            finally:
                wire.loss = None
        else:
            commit(self)

    try:
        _point(writer, "127.0.0.1", str(wire.port))
        monkeypatch.setattr(DatabaseWrapper, "_commit", losing)
        yield cut
    finally:
        monkeypatch.undo()
        _point(writer, *before)
        wire.close()
        consistency.writer.answered()


def _has_written(wrapper: Any) -> bool:
    query = "select pg_current_xact_id_if_assigned() is not null"
    return bool(wrapper.connection.execute(query).fetchone()[0])


def _point(writer: Any, host: str, port: str) -> None:
    writer.close()
    writer.close_pool()
    writer.settings_dict["HOST"], writer.settings_dict["PORT"] = host, port
