"""Scopes: the only ways to reach a tenant table. Outside of one, row-level security shows no row.

`tenant_scope` opens a transaction in which the database itself shows one tenant's rows alone. `fleet_scope` opens one
as the role `gateway_fleet`, which sees the control tables of all tenants and has no privilege on what tenants store.
Both set only transaction-local settings: a session-local one would leak to the next borrower of a pooled connection.

A connection that is lost, or that finds itself on a database which takes no writes, is dropped and raises
`WriterMoved`. Reads go on while this Region's reader is down: their scopes open on the writer, and what a reader that
dies in mid-read has cut off is read again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Final, Literal, ParamSpec, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from psycopg_pool import PoolTimeout

from tenants import consistency
from tenants.consistency import FORWARDING, LOCAL, WRITER
from tenants.errors import ScopeMisused, WriterMoved

Given = ParamSpec("Given")
Found = TypeVar("Found")

# How often a read is tried in all.
_TRIES: Final = 3

# "read" may see what this Region's reader has so far, "latest" all that is committed; neither may write.
Mode = Literal["read", "latest", "write"]


class _Thread(threading.local):
    """Whether this thread may hold connections of its own."""

    may_hold = True


_thread = _Thread()
# Read by the router in gateway/database.py: inside a scope every query goes to the scope's own connection.
current_alias: ContextVar[str | None] = ContextVar("scope_alias", default=None)
# Whose rows the database shows in this scope; None in a fleet scope and outside of any.
current_tenant: ContextVar[UUID | None] = ContextVar("scope_tenant", default=None)

_READ_ONLY = "25006"
_TENANT = "select set_config('app.tenant_id', %s, true)"
_FLEET = "select set_config('role', 'gateway_fleet', true)"
_EPOCH = ", (select epoch from tenants_writerepoch), (select region from tenants_writerepoch)"
# How a reader says that it does not forward, or not this statement, or without the tenant of the transaction.
_NOT_FORWARDED: Final = (_READ_ONLY, "0A000", "42501")
# On the writer it is the database that holds a read scope to its word.
_NO_WRITES = ", set_config('transaction_read_only', 'on', true)"


def reads(read: Callable[Given, Found]) -> Callable[Given, Found]:
    """For a function that changes nothing: where a database is lost under it, it runs again, and others may answer.

    Raises `WriterMoved` where none has.
    """

    @wraps(read)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        for _ in range(_TRIES - 1):
            try:
                return read(*args, **kwargs)
            except WriterMoved as error:
                if _had_no_connection(error):
                    raise
        return read(*args, **kwargs)

    return run


@contextmanager
def tenant_scope(tenant_id: UUID, mode: Mode, *, forwards: bool = False) -> Iterator[None]:
    """One transaction in which only this tenant's rows exist: on the writer to write, on the local reader to read.

    `forwards` says that all it does to write is INSERT, UPDATE, DELETE and SELECT FOR UPDATE, and that it looks at what
    it has written by RETURNING alone: then Aurora may forward it (docs/adr/0014-write-forwarding.md).
    """
    with _scope(mode, _TENANT, [str(tenant_id)], forwards=forwards):
        token = current_tenant.set(tenant_id)
        try:
            yield
        finally:
            current_tenant.reset(token)


@contextmanager
def fleet_scope(mode: Mode) -> Iterator[None]:
    """One transaction over the control tables of all tenants: for operators, sweeps and the look-up of credentials."""
    with _scope(mode, _FLEET, []):
        yield


@contextmanager
def _scope(
    mode: Mode, statement: str, parameters: list[str], *, forwards: bool = False
) -> Iterator[None]:
    if current_alias.get() is not None:
        raise ScopeMisused("Scopes do not nest: finish one before the next begins.")
    _thread.may_hold = True
    statement += _EPOCH if mode == "write" else _NO_WRITES
    with ExitStack() as stack:
        alias = _begin(stack, mode, statement, parameters, forwards=forwards)
        yield
    if alias == FORWARDING:
        consistency.note_forwarded_write()
    elif mode == "write":
        consistency.note_write()


def _begin(
    stack: ExitStack, mode: Mode, statement: str, parameters: list[str], *, forwards: bool
) -> str:
    """Open the transaction, on the alias that is returned. Nothing of the caller's has run yet, so that it may as well
    run on another connection, or elsewhere."""
    alias, server = WRITER, consistency.writer
    if mode == "read" and consistency.reader_alias() == LOCAL:
        alias, server = LOCAL, consistency.reader
    elif mode == "write" and forwards and consistency.may_forward():
        alias, server = FORWARDING, consistency.forwarding
    if alias != WRITER:
        if _opens(stack, alias, mode, statement, parameters):
            server.answered()
            return alias
        server.failed()
    stack.enter_context(_transaction(WRITER, mode, statement, parameters))
    return WRITER


def _opens(stack: ExitStack, alias: str, mode: Mode, statement: str, parameters: list[str]) -> bool:
    """Tried again where a connection was had and lost: others of the pool may be to a server that lives."""
    for _ in range(_TRIES):
        try:
            stack.enter_context(_transaction(alias, mode, statement, parameters))
        except WriterMoved as error:
            if _had_no_connection(error):
                return False
        else:
            return True
    return False


@contextmanager
def _transaction(alias: str, mode: Mode, statement: str, parameters: list[str]) -> Iterator[None]:
    # durable: fails when somebody opened a transaction around us, which would keep the tenant set after we leave.
    with _lost_means_moved(alias, mode), transaction.atomic(using=alias, durable=True):
        with connections[alias].cursor() as cursor:
            cursor.execute(statement, parameters)
            if mode == "write" and not consistency.fence.lets_pass(*cursor.fetchone()[-2:]):
                raise InterfaceError("This writer has been replaced by another.")
            if alias == FORWARDING and consistency.fence.region == settings.GATEWAY_REGION:
                raise InterfaceError("The writer is in this Region: there is nothing to forward.")
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
        if not _is_lost(error, alias, mode):
            raise
        drop_connections(alias)
        if alias == FORWARDING:
            consistency.forwarding.failed()  # the same again goes to the writer itself
        # Lost while committing, a write may have been stored all the same: "unknown" is all that can be said.
        raise WriterMoved(
            "The database connection was lost. A write may or may not be stored: send it again with the same id."
        ) from error


def _is_lost(error: Exception, alias: str, mode: Mode) -> bool:
    """Match on the class: psycopg gives no SQLSTATE when a connection breaks, is refused, or the pool has none."""
    state = getattr(error.__cause__, "sqlstate", None)
    if alias == FORWARDING and state in _NOT_FORWARDED:
        return True
    if isinstance(error, OperationalError):
        return state is None or state.startswith(("08", "57P"))
    return isinstance(error, InterfaceError) or (state == _READ_ONLY and mode == "write")


def _had_no_connection(error: WriterMoved) -> bool:
    """Whether no server was reached at all, for which the pool has waited long enough."""
    return isinstance(error.__cause__ and error.__cause__.__cause__, PoolTimeout)


def drop_connections(alias: str) -> None:
    """Forget this thread's connection and the idle ones of its pool: after a failover all of them are to the wrong
    server, and a health check would not notice, because that server may well answer."""
    connection = connections[alias]
    if pool := getattr(connection, "pool", None):
        pool.drain()
    connection.close()


def give_back_connections() -> None:
    """Return this thread's idle connections to their pools, before it waits for anything but the database: for a
    client's body, or for KMS. Else a few that wait would hold what all others need. A batch asks for it at each record,
    so that it costs nothing where no scope was opened since."""
    if _thread.may_hold:
        held = [each for each in connections.all(initialized_only=True) if not each.in_atomic_block]
        for connection in held:
            connection.close()
        _thread.may_hold = current_alias.get() is not None


def scope_alias() -> str:
    """The connection of the scope we are in, for queries that are written in SQL. Raises `ScopeMisused` outside."""
    alias = current_alias.get()
    if alias is None:
        raise ScopeMisused("A tenant table is reached inside of a scope only.")
    return alias


def is_reading_locally() -> bool:
    """Whether this scope reads from the local reader, which may be behind the writer."""
    return current_alias.get() == LOCAL
