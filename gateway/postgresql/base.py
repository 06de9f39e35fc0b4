"""Connections to the writer are refused at once while it rests, wherever they are asked for: scopes, sessions, users.

Without this each request that needs the writer would hold its thread until the pool gives up, seconds later, and a few
of them would stop all reads, which need no writer.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base
from psycopg import OperationalError

from tenants import consistency


class DatabaseWrapper(base.DatabaseWrapper):
    """What Django makes for each alias and thread."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection of the pool, or `OperationalError`."""
        if self.alias != consistency.WRITER:
            return super().get_new_connection(conn_params)
        if not consistency.writer.may_be_tried():
            raise OperationalError("The writer did not answer a moment ago.")
        try:
            connection = super().get_new_connection(conn_params)
        except OperationalError:
            consistency.writer.failed()
            raise
        consistency.writer.answered()
        return connection
