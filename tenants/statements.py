"""Statements of our own on the scope's connection: prepared once a connection, and with parameters and rows in binary.

Django's cursors send values as text within the statement, so that PostgreSQL plans each anew and writes every byte of a
message as two. That is most of what a batch costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connections

from tenants.scope import scope_alias


def run_statement(sql: str, parameters: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows of a statement that answers some. `sql` is a constant of ours: whatever a caller gives is a parameter.

    Parameters are written `%b` or `%(name)b`: else lists would go as text. Raises what Django's cursors raise,
    and `ScopeMisused` outside of a scope.
    """
    connection = connections[scope_alias()]
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, parameters, prepare=True, binary=True)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    if connection.queries_logged:
        connection.queries_log.append({"sql": sql, "time": "0"})
    return rows
