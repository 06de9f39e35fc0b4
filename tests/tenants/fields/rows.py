"""The tables of `crm` seen past Django, and what KMS was asked meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connections
from psycopg import sql

from tests.flows.trail import Use, recorded
from tests.stack import Stack


def raw(row: Any, column: str) -> bytes | None:
    """What a row holds in that column."""
    [(value,)] = _execute("select {} from {} where {} = %s", row, column, [row.pk])
    return None if value is None else bytes(value)


def put(row: Any, column: str, value: object) -> None:
    """Write into that column past every check."""
    _execute("update {1} set {0} = %s where {2} = %s", row, column, [value, row.pk])


def _execute(text: str, row: Any, column: str, parameters: list[Any]) -> list[Any]:
    table = row._meta.get_field(column).model._meta
    names = [sql.Identifier(name) for name in (column, table.db_table, table.pk.column)]
    with connections["migrator"].cursor() as cursor:
        cursor.execute(sql.SQL(text).format(*names), parameters)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def kms_calls(stack: Stack, *tenants: UUID) -> Iterator[list[Use]]:
    """The calls to KMS for these tenants, in the list once the block has ended."""
    calls: list[Use] = []
    recordings = [recorded(stack, tenant) for tenant in tenants]
    open_ones = [recording.__enter__() for recording in recordings]
    yield calls
    for recording, uses in zip(recordings, open_ones, strict=True):
        recording.__exit__(None, None, None)
        calls += uses
