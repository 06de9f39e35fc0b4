"""Writes that go through this Region's reader, as Aurora forwards them: which do, which cannot, and what comes then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import psycopg
import pytest
from django.db import NotSupportedError, connections, transaction
from django.test import override_settings

from tenants import consistency
from tenants.consistency import FORWARDING, LOCAL
from tenants.errors import RecordExists, RecordNotFound, ValueNotUnique, WriterMoved
from tenants.scope import tenant_scope
from tenants.selectors import Caller
from tenants.selectors.writer import get_writer
from tenants.services.records import (
    RecordInput,
    RecordPut,
    create_record,
    create_records,
    delete_record,
    put_records,
    read_record,
    update_record,
)
from tests.callers import (
    as_superuser,
    caller_of,
    people,
    queries,
    reading_from,
    shared_acme,
)
from tests.cast import as_region
from tests.forwarding import ForwardingConnection
from tests.stack import Stack

FIELDS: dict[str, Any] = {"name": "Ann", "ssn": "078-05-1120", "email": "ann@example.org"}
HERE = "eu-west-1"


@contextmanager
def forwarding(
    stack: Stack, *, by: type[Any] = ForwardingConnection, mode: str = "session"
) -> Iterator[None]:
    """A process of a Region whose reader forwards."""
    with (
        as_region(HERE),
        reading_from(stack, HERE),
        override_settings(GATEWAY_WRITE_FORWARDING=mode),
    ):
        databases: Any = connections.settings
        databases[FORWARDING] = deepcopy(connections[LOCAL].settings_dict)
        databases[FORWARDING]["OPTIONS"]["pool"]["connection_class"] = by
        ForwardingConnection.forwarded.clear()
        ForwardingConnection.waits = mode != "eventual"
        consistency.fence.region = "us-east-2"
        try:
            yield
        finally:
            connections[FORWARDING].close()
            connections[FORWARDING].close_pool()  # type: ignore[attr-defined]
            del connections[FORWARDING], databases[FORWARDING]
            consistency.forwarding.answered()
            consistency.fence.region = ""


@pytest.fixture
def here(stack: Stack) -> Iterator[tuple[Caller, str]]:
    """Acme and a collection, with data keys made."""
    caller = caller_of(shared_acme())
    collection = people(caller)
    with forwarding(stack):
        create(caller, collection, "warm", email=None)
        yield caller, collection


def create(caller: Caller, collection: str, record_id: str, **fields: Any) -> None:
    record = RecordInput(record_id, FIELDS | fields)
    create_record(caller=caller, collection=collection, record=record)


def read(caller: Caller, collection: str, record_id: str) -> Any:
    """From this Region's own reader, without waiting."""
    assert consistency.required.get() is None
    return read_record(caller=caller, collection=collection, record_id=record_id).fields


def test_each_write_of_records_is_forwarded_and_this_regions_reader_shows_it(
    here: tuple[Caller, str],
) -> None:
    caller, collection = here
    consistency.required.set(None)
    ForwardingConnection.forwarded.clear()
    create(caller, collection, "ann")
    assert read(caller, collection, "ann") == FIELDS
    given: dict[str, Any] = {"caller": caller, "collection": collection, "record_id": "ann"}
    update_record(**given, fields={"ssn": "219-09-9999"})
    assert read(caller, collection, "ann")["ssn"] == "219-09-9999"
    made = create_records(
        caller=caller,
        collection=collection,
        records=[RecordInput("bob", {"name": "Bob"}), RecordInput("ann", FIELDS)],
    )
    assert [type(each).__name__ for each in made] == ["RecordView", "RecordFault"]
    puts = [RecordPut("ann", {"name": "A"}), RecordPut("cho", {"name": "Cho"})]
    put_records(caller=caller, collection=collection, records=puts)
    assert read(caller, collection, "ann") == {"name": "A"}
    delete_record(**given)
    with pytest.raises(RecordNotFound):
        read(caller, collection, "ann")
    verbs = {text.split()[0] for text in ForwardingConnection.forwarded}
    assert verbs == {"insert", "with", "delete", "select"}
    assert consistency.written.get() is None


def test_a_forwarded_write_asks_nothing_of_the_writer_itself(here: tuple[Caller, str]) -> None:
    caller, collection = here
    with queries() as sent:
        create(caller, collection, "ann")
    assert not [sql for sql in sent if "insert" in sql.lower() or "pg_current_wal" in sql]


def test_conflicts_are_the_writers_own(here: tuple[Caller, str]) -> None:
    caller, collection = here
    create(caller, collection, "ann")
    with pytest.raises(RecordExists):
        create(caller, collection, "ann")
    with pytest.raises(ValueNotUnique):
        create(caller, collection, "bob")


@pytest.mark.parametrize(
    "sql",
    [
        "savepoint a",
        "declare c cursor for select 1",
        "set constraints all deferred",
        "copy tenants_record from stdin",
        "create table t ()",
        "alter table tenants_record add x int",
        "drop table tenants_record",
        "lock tenants_record",
        "listen a",
        "notify a",
        "truncate tenants_record",
        "grant select on tenants_record to public",
        "select nextval('s')",
        "select 1 into t",
        "vacuum",
        "analyze",
        "prepare transaction 'a'",
    ],
)
def test_what_aurora_does_not_forward_is_refused(here: tuple[Caller, str], sql: str) -> None:
    with (
        pytest.raises(NotSupportedError),
        transaction.atomic(using=FORWARDING),
        connections[FORWARDING].cursor() as cursor,
    ):
        cursor.execute(sql)


def test_a_nested_transaction_and_a_server_side_cursor_are_refused(
    here: tuple[Caller, str],
) -> None:
    with (
        pytest.raises(NotSupportedError),
        transaction.atomic(using=FORWARDING),
        transaction.atomic(using=FORWARDING),
    ):
        pass
    with (
        pytest.raises(NotSupportedError),
        transaction.atomic(using=FORWARDING),
        connections[FORWARDING].chunked_cursor() as cursor,
    ):
        cursor.execute("select 1")


def test_where_the_tenant_does_not_travel_nothing_is_stored_and_the_same_again_goes_to_the_writer(
    here: tuple[Caller, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row-level security on the writer is what refuses: without a tenant it shows no row and takes none."""
    caller, collection = here
    monkeypatch.setattr(ForwardingConnection, "settings_travel", False)
    with pytest.raises(WriterMoved):
        create(caller, collection, "ann")
    assert not consistency.may_forward()
    create(caller, collection, "ann")
    assert consistency.written.get() is not None


def test_a_reader_that_does_not_forward_is_not_asked_again_for_a_while(stack: Stack) -> None:
    caller = caller_of(shared_acme())
    collection = people(caller)
    create(caller, collection, "warm", email=None)
    with forwarding(stack, by=psycopg.Connection):
        with pytest.raises(WriterMoved):
            create(caller, collection, "ann")
        create(caller, collection, "ann")


def test_a_write_that_does_more_goes_to_the_writer(here: tuple[Caller, str]) -> None:
    caller, _ = here
    with tenant_scope(caller.tenant_id, "write"), connections["default"].cursor() as cursor:
        cursor.execute("select pg_is_in_recovery()")
        assert cursor.fetchone() == (False,)


def test_in_the_writers_own_region_nothing_is_forwarded(here: tuple[Caller, str]) -> None:
    caller, collection = here
    consistency.fence.region = HERE
    ForwardingConnection.forwarded.clear()
    create(caller, collection, "ann")
    assert ForwardingConnection.forwarded == []


def test_a_process_that_does_not_know_where_the_writer_is_asks_before_it_forwards(
    here: tuple[Caller, str], stack: Stack
) -> None:
    caller, collection = here
    [(before,)] = as_superuser(stack, "select region from tenants_writerepoch")
    as_superuser(stack, "update tenants_writerepoch set region = %s", HERE)
    try:
        until_here_shows_the_writer_in(HERE)
        consistency.fence.region = ""
        ForwardingConnection.forwarded.clear()
        create(caller, collection, "ann")
        assert ForwardingConnection.forwarded == []
    finally:
        as_superuser(stack, "update tenants_writerepoch set region = %s", before)


def until_here_shows_the_writer_in(region: str) -> None:
    for _ in range(200):
        if get_writer().region == region:
            return
    raise AssertionError("It is not replicated.")


def test_what_is_only_to_be_shown_some_time_is_read_from_the_writer_meanwhile(stack: Stack) -> None:
    caller = caller_of(shared_acme())
    collection = people(caller)
    with forwarding(stack, mode="eventual"):
        create(caller, collection, "ann")
        assert consistency.written.get() is None
        assert consistency.reader_alias() == "default"
