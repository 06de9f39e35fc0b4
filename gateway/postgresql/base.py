"""Connections to the writer are refused at once while it rests, wherever they are asked for: scopes, sessions, users.

Without this each request that needs the writer would hold its thread until the pool gives up, seconds later, and a few
of them would stop all reads, which need no writer.
"""

from __future__ import annotations

import time
from math import inf
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base
from psycopg import IsolationLevel, OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

from gateway.postgresql.iam import IamConnection
from tenants import consistency

# A connection that was taken from the pool this short a while ago is taken again without asking the server.
_FRESH_SECONDS = 1.0


class DatabaseWrapper(base.DatabaseWrapper):
    """What Django makes for each alias and thread."""

    @property
    def pool(self) -> Any:
        """The pool of this alias. Django lets it ask the server whenever a connection is taken: once or more a request,
        and each time as dear as a statement."""
        pool = super().pool
        if pool is not None:
            pool._check = _check_unless_fresh
        return pool

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection of the pool, or `OperationalError`."""
        if self.alias != consistency.WRITER:
            return self._connect(conn_params)
        if not consistency.writer.may_be_tried():
            raise PoolTimeout("The writer did not answer a moment ago.")
        try:
            connection = self._connect(conn_params)
        except OperationalError:
            consistency.writer.failed()
            raise
        consistency.writer.answered()
        return connection

    def _connect(self, conn_params: dict[str, Any]) -> Any:
        """Pools have a class of connections of their own (gateway/settings.py); what is in none gets it here."""
        if settings.GATEWAY_DATABASE_AUTHENTICATION != "iam" or self.pool:
            return super().get_new_connection(conn_params)
        self.isolation_level = IsolationLevel.READ_COMMITTED
        return IamConnection.connect(**conn_params)


def _check_unless_fresh(connection: Any) -> None:
    """Raise where the server does not answer. One that dies within the second is found out by the next statement."""
    now = time.monotonic()
    if now - getattr(connection, "taken_at", -inf) > _FRESH_SECONDS:
        ConnectionPool.check_connection(connection)
    connection.taken_at = now
