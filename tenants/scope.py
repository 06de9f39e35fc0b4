"""Scopes: the only ways to reach a tenant table. Outside of one, row-level security shows no row.

`tenant_scope` opens a transaction in which the database itself shows one tenant's rows alone. `fleet_scope` opens one
as the role `gateway_fleet`, which sees the control tables of all tenants and has no privilege on what tenants store.
Both set only transaction-local settings: a session-local one would leak to the next borrower of a pooled connection.

A connection that is lost, or that finds itself on a database which takes no writes, is dropped and raises
`WriterMoved`. Reads go on while this Region's reader is down: their scopes open on the writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Literal
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction

from tenants import consistency
from tenants.consistency import LOCAL, WRITER
from tenants.errors import ScopeMisused, WriterMoved

# "read" may see what this Region's reader has so far, "latest" all that is committed; neither may write.
Mode = Literal["read", "latest", "write"]

# Read by the router in gateway/database.py: inside a scope every query goes to the scope's own connection.
current_alias: ContextVar[str | None] = ContextVar("scope_alias", default=None)

_READ_ONLY = "25006"
_TENANT = "select set_config('app.tenant_id', %s, true)"
_FLEET = "select set_config('role', 'gateway_fleet', true)"
_EPOCH = ", (select epoch from tenants_writerepoch)"
# On the writer it is the database that holds a read scope to its word.
_NO_WRITES = ", set_config('transaction_read_only', 'on', true)"


@contextmanager
def tenant_scope(tenant_id: UUID, mode: Mode) -> Iterator[None]:
    """One transaction in which only this tenant's rows exist: on the writer to write, on the local reader to read."""
    with _scope(mode, _TENANT, [str(tenant_id)]):
        yield


@contextmanager
def fleet_scope(mode: Mode) -> Iterator[None]:
    """One transaction over the control tables of all tenants: for operators, sweeps and the look-up of credentials."""
    with _scope(mode, _FLEET, []):
        yield


@contextmanager
def _scope(mode: Mode, statement: str, parameters: list[str]) -> Iterator[None]:
    if current_alias.get() is not None:
        raise ScopeMisused("Scopes do not nest: finish one before the next begins.")
    statement += _EPOCH if mode == "write" else _NO_WRITES
    with ExitStack() as stack:
        _begin(stack, mode, statement, parameters)
        yield
    if mode == "write":
        consistency.note_write()


def _begin(stack: ExitStack, mode: Mode, statement: str, parameters: list[str]) -> None:
    alias = consistency.reader_alias() if mode == "read" else WRITER
    try:
        stack.enter_context(_transaction(alias, mode, statement, parameters))
    except WriterMoved:
        if alias == WRITER:
            raise
        # Nothing of the caller's has run yet, so that it may as well run elsewhere.
        consistency.reader.failed()
        stack.enter_context(_transaction(WRITER, mode, statement, parameters))
    else:
        if alias == LOCAL:
            consistency.reader.answered()


@contextmanager
def _transaction(alias: str, mode: Mode, statement: str, parameters: list[str]) -> Iterator[None]:
    # durable: fails when somebody opened a transaction around us, which would keep the tenant set after we leave.
    with _lost_means_moved(alias, mode), transaction.atomic(using=alias, durable=True):
        with connections[alias].cursor() as cursor:
            cursor.execute(statement, parameters)
            if mode == "write" and not consistency.fence.lets_pass(cursor.fetchone()[-1]):
                raise InterfaceError("This writer has been replaced by another.")
        token = current_alias.set(alias)
        try:
            yield
        finally:
            current_alias.reset(token)


@contextmanager
def _lost_means_moved(alias: str, mode: Mode) -> Iterator[None]:
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        if not _is_lost(error, mode):
            raise
        drop_connections(alias)
        # Lost while committing, a write may have been stored all the same: "unknown" is all that can be said.
        raise WriterMoved(
            "The database connection was lost. A write may or may not be stored: send it again with the same id."
        ) from error


def _is_lost(error: Exception, mode: Mode) -> bool:
    """Match on the class: psycopg gives no SQLSTATE when a connection breaks, is refused, or the pool has none."""
    state = getattr(error.__cause__, "sqlstate", None)
    if isinstance(error, OperationalError):
        return state is None or state.startswith(("08", "57P"))
    return isinstance(error, InterfaceError) or (state == _READ_ONLY and mode == "write")


def drop_connections(alias: str) -> None:
    """Forget this thread's connection and the idle ones of its pool: after a failover all of them are to the wrong
    server, and a health check would not notice, because that server may well answer."""
    connection = connections[alias]
    if pool := getattr(connection, "pool", None):
        pool.drain()
    connection.close()


def give_back_connections() -> None:
    """Return this thread's idle connections to their pools, before it waits for anything but the database: for a
    client's body, or for KMS. Else a few that wait would hold what all others need."""
    for alias in (LOCAL, WRITER):
        if not connections[alias].in_atomic_block:
            connections[alias].close()


def scope_alias() -> str:
    """The connection of the scope we are in, for queries that are written in SQL. Raises `ScopeMisused` outside."""
    alias = current_alias.get()
    if alias is None:
        raise ScopeMisused("A tenant table is reached inside of a scope only.")
    return alias


def is_reading_locally() -> bool:
    """Whether this scope reads from the local reader, which may be behind the writer."""
    return current_alias.get() == LOCAL
