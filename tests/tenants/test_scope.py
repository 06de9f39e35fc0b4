"""Scopes: one tenant, one connection, no writes where only reading was said, and lost connections by their name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import (
    DatabaseError,
    IntegrityError,
    InternalError,
    OperationalError,
    connections,
    transaction,
)

from tenants import consistency
from tenants.consistency import LOCAL, WRITER
from tenants.errors import ScopeMisused, WriterMoved
from tenants.models import Collection, User
from tenants.scope import (
    Mode,
    fleet_scope,
    give_back_connections,
    is_reading_locally,
    scope_alias,
    tenant_scope,
)
from tenants.services.writer import begin_writer_epoch
from tests.callers import as_superuser
from tests.cast import Cast
from tests.stack import Stack


def query(sql: str) -> Any:
    with connections[scope_alias()].cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return row and row[0]


def lose(stack: Stack) -> None:
    """Have the scope's connection killed, and notice it."""
    kill(stack, query("select pg_backend_pid()"))
    query("select 1")


def kill(stack: Stack, pid: int) -> None:
    as_superuser(stack, "select pg_terminate_backend(%s, 2000)", pid)


def test_a_scope_shows_one_tenant_and_leaves_nothing_behind(cast: Cast) -> None:
    acme, globex = cast.initech(), cast.initech()
    with tenant_scope(acme.id, "read"):
        assert query("select count(*) from tenants_tenant") == 1
        assert query("select slug from tenants_tenant") == acme.slug
    for alias in (WRITER, LOCAL):
        with connections[alias].cursor() as cursor:
            cursor.execute("select count(*) from tenants_tenant")
            assert cursor.fetchone() == (0,)
    with tenant_scope(globex.id, "read"):
        assert query("select slug from tenants_tenant") == globex.slug


def test_scopes_do_not_nest(cast: Cast) -> None:
    tenant = cast.initech()
    with (
        tenant_scope(tenant.id, "read"),
        pytest.raises(ScopeMisused, match="nest"),
        fleet_scope("read"),
    ):
        pass


def test_there_is_no_connection_outside_of_a_scope() -> None:
    with pytest.raises(ScopeMisused):
        scope_alias()


def test_a_read_scope_reads_locally_and_the_latest_from_the_writer(cast: Cast) -> None:
    tenant = cast.initech()
    with tenant_scope(tenant.id, "latest"):
        assert scope_alias() == WRITER
    consistency.required.set(None)
    with tenant_scope(tenant.id, "read"):
        assert is_reading_locally()


@pytest.mark.parametrize("mode", ["read", "latest"])
def test_the_database_itself_refuses_writes_in_a_read_scope(cast: Cast, mode: Mode) -> None:
    tenant = cast.initech()
    with pytest.raises(InternalError, match="read-only"), tenant_scope(tenant.id, mode):
        query("update tenants_tenant set name = 'x' returning name")


def test_a_connection_lost_in_a_write_is_the_writer_moved_and_the_next_scope_works(
    cast: Cast, stack: Stack
) -> None:
    tenant = cast.initech()
    with pytest.raises(WriterMoved) as caught, tenant_scope(tenant.id, "write"):
        lose(stack)
    assert caught.value.retryable
    assert caught.value.__cause__ is not None
    with tenant_scope(tenant.id, "write"):
        assert query("select 1") == 1


def test_a_writer_that_has_become_read_only_is_dropped_with_its_pool(cast: Cast) -> None:
    tenant = cast.initech()
    with tenant_scope(tenant.id, "write"):
        before = query("select pg_backend_pid()")
    with connections[WRITER].cursor() as cursor:
        cursor.execute("set session characteristics as transaction read only")
    with pytest.raises(WriterMoved), tenant_scope(tenant.id, "write"):
        query("update tenants_tenant set name = 'x' returning name")
    with tenant_scope(tenant.id, "write"):
        assert query("select pg_backend_pid()") != before
        assert query("update tenants_tenant set name = 'x' returning name") == "x"


def test_an_error_of_the_query_itself_stays_what_it_is(cast: Cast) -> None:
    tenant = cast.initech()
    for _ in range(2):
        row = Collection(tenant_id=tenant.id, name="people", schema={})
        try:
            with tenant_scope(tenant.id, "write"):
                row.save(force_insert=True)
        except IntegrityError:
            return
    raise AssertionError("The name was taken twice.")


def test_a_commit_is_acknowledged_though_the_connection_dies_right_after(
    cast: Cast, stack: Stack
) -> None:
    tenant = cast.initech()
    with tenant_scope(tenant.id, "write"):
        Collection(tenant_id=tenant.id, name="people", schema={}).save(force_insert=True)
        pid = query("select pg_backend_pid()")
        transaction.on_commit(lambda: kill(stack, pid), using=WRITER)
    assert consistency.written.get() is None  # no token for the client,
    assert consistency.reader_alias() == WRITER  # and this request reads where the write is
    with tenant_scope(tenant.id, "read"):
        assert Collection.objects.count() == 1


@pytest.fixture
def without_local_reader() -> Iterator[None]:
    """Nobody listens where the local reader should be."""
    local: Any = connections[LOCAL]
    port, options = local.settings_dict["PORT"], local.settings_dict["OPTIONS"]
    _reopen(local, "1", {**options, "pool": {**options["pool"], "timeout": 0.5}})
    yield
    _reopen(local, port, options)
    consistency.reader.answered()


def _reopen(connection: Any, port: str, options: dict[str, Any]) -> None:
    connection.close()
    connection.close_pool()
    connection.settings_dict |= {"PORT": port, "OPTIONS": options}


def test_reads_go_on_without_the_local_reader(cast: Cast, without_local_reader: None) -> None:
    tenant = cast.initech()
    consistency.required.set(None)
    with tenant_scope(tenant.id, "read"):
        assert scope_alias() == WRITER
        assert query("select slug from tenants_tenant") == tenant.slug
    assert not consistency.reader.may_be_tried()  # the next one does not wait for it again


def test_a_read_that_must_see_a_write_goes_on_without_the_local_reader(
    cast: Cast, without_local_reader: None
) -> None:
    tenant = cast.initech()
    assert consistency.required.get() is not None
    with tenant_scope(tenant.id, "read"):
        assert scope_alias() == WRITER


def test_a_reader_that_dies_in_mid_read_says_so_and_the_next_read_works(
    cast: Cast, stack: Stack
) -> None:
    tenant = cast.initech()
    consistency.required.set(None)
    with pytest.raises(WriterMoved), tenant_scope(tenant.id, "read"):
        lose(stack)
    with tenant_scope(tenant.id, "read"):
        assert query("select 1") == 1


def test_an_unreachable_writer_is_the_writer_moved(cast: Cast) -> None:
    tenant = cast.initech()
    writer: Any = connections[WRITER]
    port, options = writer.settings_dict["PORT"], writer.settings_dict["OPTIONS"]
    _reopen(writer, "1", {**options, "pool": {**options["pool"], "timeout": 0.5}})
    try:
        with pytest.raises(WriterMoved), tenant_scope(tenant.id, "write"):
            pass
    finally:
        _reopen(writer, port, options)
        consistency.writer.answered()
    with tenant_scope(tenant.id, "write"):
        assert query("select 1") == 1


def test_a_writer_that_did_not_answer_is_asked_again_by_one_after_it_has_rested(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = cast.initech()
    connections[WRITER].close()
    consistency.writer.failed()
    try:
        with pytest.raises(WriterMoved), tenant_scope(tenant.id, "write"):
            raise AssertionError("A connection was had at once.")
        with pytest.raises(OperationalError):
            User.objects.exists()  # outside of any scope, as sessions are
        with tenant_scope(tenant.id, "read"):
            assert query("select slug from tenants_tenant") == tenant.slug
        now = time.monotonic() + consistency.WRITER_RESTS_SECONDS
        monkeypatch.setattr("tenants.consistency.time.monotonic", lambda: now)
        with tenant_scope(tenant.id, "write"):
            assert query("select 1") == 1
        assert consistency.writer.may_be_tried()
        assert consistency.writer.may_be_tried()
    finally:
        consistency.writer.answered()


def test_connections_are_given_back_while_something_else_is_waited_for(cast: Cast) -> None:
    tenant = cast.initech()
    for mode in ("read", "write"):
        with tenant_scope(tenant.id, mode):
            give_back_connections()
            assert query("select 1") == 1  # never in the middle of a transaction
    give_back_connections()
    assert connections[LOCAL].connection is None
    assert connections[WRITER].connection is None


def test_a_statement_and_a_lock_have_a_limit(cast: Cast) -> None:
    for mode in ("read", "write"):
        with tenant_scope(cast.initech().id, mode):
            assert query("show statement_timeout") == "15s"
            assert query("show lock_timeout") == "10s"
            assert query("show idle_in_transaction_session_timeout") == "30s"


def test_no_error_of_a_lost_connection_is_a_database_error_to_callers() -> None:
    assert not issubclass(WriterMoved, DatabaseError)


def test_a_writer_that_another_has_replaced_takes_no_write(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old writer that comes back after a failover still answers, and what it stored nobody would see."""
    acme = cast.initech()
    with tenant_scope(acme.id, "write"):
        pass
    monkeypatch.setattr(consistency.fence, "highest", consistency.fence.highest + 1)
    for scope in (tenant_scope(acme.id, "write"), fleet_scope("write")):
        with pytest.raises(WriterMoved), scope:
            raise AssertionError("The scope must not open.")
    with tenant_scope(acme.id, "latest"):
        assert query("select slug from tenants_tenant") == acme.slug


def test_who_has_seen_a_new_epoch_knows_the_writer_of_it() -> None:
    epoch = begin_writer_epoch(region="us-west-1")
    with fleet_scope("write"):
        pass
    assert consistency.fence.highest >= epoch
    assert consistency.fence.lets_pass(consistency.fence.highest)
    assert not consistency.fence.lets_pass(epoch - 1)
