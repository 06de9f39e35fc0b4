"""Scopes: the only ways to reach a tenant table. Outside of one, row-level security shows no row.

`tenant_scope` opens a transaction in which the database itself shows one tenant's rows alone. `fleet_scope` opens one as
the role `gateway_fleet`, which sees the control tables of all tenants and has no privilege on what tenants store.
Both set only transaction-local settings: a session-local one would leak to the next borrower of a pooled connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal
from uuid import UUID

from django.db import connections, transaction

from tenants import consistency
from tenants.consistency import LOCAL, WRITER
from tenants.errors import ScopeMisused

Mode = Literal["read", "write"]

# Read by the router in gateway/database.py: inside a scope every query goes to the scope's own connection.
current_alias: ContextVar[str | None] = ContextVar("scope_alias", default=None)


@contextmanager
def tenant_scope(tenant_id: UUID, mode: Mode) -> Iterator[None]:
    """One transaction in which only this tenant's rows exist: on the writer to write, on the local reader to read."""
    with _scope(mode, "select set_config('app.tenant_id', %s, true)", [str(tenant_id)]):
        yield


@contextmanager
def fleet_scope(mode: Mode) -> Iterator[None]:
    """One transaction over the control tables of all tenants: for operators, sweeps and the look-up of credentials."""
    with _scope(mode, "select set_config('role', 'gateway_fleet', true)", []):
        yield


@contextmanager
def _scope(mode: Mode, statement: str, parameters: list[str]) -> Iterator[None]:
    if current_alias.get() is not None:
        raise ScopeMisused("Scopes do not nest: finish one before the next begins.")
    alias = WRITER if mode == "write" else consistency.reader_alias()
    token = current_alias.set(alias)
    try:
        # durable: fails when somebody opened a transaction around us, which would keep the tenant set after we leave.
        with transaction.atomic(using=alias, durable=True):
            with connections[alias].cursor() as cursor:
                cursor.execute(statement, parameters)
            yield
    finally:
        current_alias.reset(token)
    if mode == "write":
        consistency.note_write()


def is_reading_locally() -> bool:
    """Whether this scope reads from the local reader, which may be behind the writer."""
    return current_alias.get() == LOCAL
