"""Raw SQL under the application's role: whatever is sent, it reaches the rows of the scope's tenant and no others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors, sql

from tests.isolation.test_catalogue import tenant_tables
from tests.isolation.world import World, world
from tests.stack import Stack

REFUSED = (errors.InsufficientPrivilege,)
STORED = ("collection", "record", "sealedpart", "blindindexentry", "datakey")


@contextmanager
def scope_of(stack: Stack, tenant: object) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of the application's role with this tenant set, which leaves nothing."""
    connection: Any = stack.connect(user="gateway_app")
    with connection:
        connection.autocommit = False
        if tenant is not None:
            connection.execute("select set_config('app.tenant_id', %s, true)", [str(tenant)])
        yield connection
        connection.rollback()


def run(connection: psycopg.Connection[Any], text: str, table: str, **values: object) -> Any:
    query = sql.SQL(text).format(sql.Identifier(table))
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall() if cursor.description else cursor.rowcount


@pytest.fixture
def both() -> World:
    return world()


def test_a_tenant_sees_its_own_rows_and_no_others(stack: Stack, both: World) -> None:
    for table in tenant_tables():
        with scope_of(stack, both.globex.id) as connection:
            [(all_rows, own)] = run(
                connection,
                "select count(*), count(*) filter (where tenant_id = %(own)s) from {}",
                table,
                own=both.globex.id,
            )
        assert 0 < all_rows == own, table


def test_a_tenant_changes_and_deletes_no_others_rows(stack: Stack, both: World) -> None:
    for table in tenant_tables():
        with scope_of(stack, both.globex.id) as connection:
            for statement in (
                "update {} set tenant_id = tenant_id where tenant_id = %(acme)s",
                "delete from {} where tenant_id = %(acme)s",
            ):
                with suppress(*REFUSED):  # where the role has no such privilege on the table at all
                    assert run(connection, statement, table, acme=both.acme.id) == 0, table


def test_a_tenant_gives_no_row_to_another(stack: Stack, both: World) -> None:
    """Neither by inserting one with the other's name on it, nor by renaming one of its own."""
    for table in tenant_tables():
        with scope_of(stack, both.globex.id) as connection:
            for statement in (
                "insert into {0} select (jsonb_populate_record(t, jsonb_build_object("
                "'tenant_id', %(acme)s::text))).* from {0} t limit 1",
                "update {} set tenant_id = %(acme)s",
            ):
                with pytest.raises(REFUSED):
                    run(connection, statement, table, acme=both.acme.id)


@pytest.mark.parametrize("tenant", [None, "", "00000000-0000-0000-0000-000000000000"])
def test_without_a_tenant_there_is_no_row_and_none_can_be_made(
    stack: Stack, both: World, tenant: object
) -> None:
    for table in tenant_tables():
        with scope_of(stack, tenant) as connection:
            assert run(connection, "select count(*) from {}", table) == [(0,)]
    with scope_of(stack, tenant) as connection, pytest.raises(REFUSED):
        run(
            connection,
            "insert into {} (id, tenant_id, name, schema, created_at)"
            " values (%(id)s, %(acme)s, 'x', '{{}}', now())",
            "tenants_collection",
            id=uuid4(),
            acme=both.acme.id,
        )


def test_a_tenant_that_is_no_uuid_is_an_error(stack: Stack) -> None:
    with scope_of(stack, "acme") as connection, pytest.raises(errors.InvalidTextRepresentation):
        run(connection, "select count(*) from {}", "tenants_record")


def test_the_tenant_ends_with_the_transaction(stack: Stack, both: World) -> None:
    connection: Any = stack.connect(user="gateway_app")
    with connection:
        with connection.transaction():
            connection.execute("select set_config('app.tenant_id', %s, true)", [str(both.acme.id)])
            assert run(connection, "select count(*) from {}", "tenants_record") != [(0,)]
        assert run(connection, "select count(*) from {}", "tenants_record") == [(0,)]


@pytest.mark.parametrize(
    ("table", "column", "target"),
    [
        ("tenants_record", "collection_id", "tenants_collection"),
        ("tenants_sealedpart", "record", "tenants_record"),
        ("tenants_sealedpart", "data_key", "tenants_datakey"),
        ("tenants_blindindexentry", "record", "tenants_record"),
        ("tenants_blindindexentry", "collection_id", "tenants_collection"),
        ("tenants_regionalkey", "tenant_key_id", "tenants_tenantkey"),
    ],
)
def test_a_row_cannot_point_to_another_tenants_row(
    stack: Stack, both: World, table: str, column: str, target: str
) -> None:
    with scope_of(stack, both.acme.id) as connection:
        [(theirs,)] = run(connection, "select id from {} limit 1", target)
    query = sql.SQL("update {0} set {1} = %s where ctid = (select ctid from {0} limit 1)").format(
        sql.Identifier(table), sql.Identifier(column)
    )
    with (
        scope_of(stack, both.globex.id) as connection,
        pytest.raises(errors.ForeignKeyViolation),
    ):
        connection.execute(query, [theirs])


@pytest.mark.parametrize("table", STORED)
def test_the_fleet_role_reaches_nothing_that_tenants_store(stack: Stack, table: str) -> None:
    with scope_of(stack, None) as connection:
        connection.execute("set local role gateway_fleet")
        with pytest.raises(REFUSED):
            run(connection, "select * from {}", f"tenants_{table}")


@pytest.mark.parametrize("column", ["encrypted_data_key", "classification", "purpose", "state"])
def test_of_a_data_key_the_fleet_role_sees_under_which_key_it_is_and_no_more(
    stack: Stack, column: str
) -> None:
    with scope_of(stack, None) as connection:
        connection.execute("set local role gateway_fleet")
        connection.execute("select id, tenant_id, key_arn from tenants_datakey limit 1")
        with pytest.raises(REFUSED):
            connection.execute(f"select {column} from tenants_datakey limit 1")  # noqa: S608 - one of the names above


@pytest.mark.parametrize(
    "statement",
    [
        "set role gateway_owner",
        "set role postgres",
        "set session authorization gateway_owner",
        "alter table tenants_record disable row level security",
        "alter table tenants_record no force row level security",
        "drop policy tenant_isolation on tenants_record",
        "create policy all_rows on tenants_record using (true)",
        "alter role gateway_app bypassrls",
        "grant gateway_owner to gateway_app",
        "create table mine (id int)",
        "create function peek() returns bigint language sql security definer"
        " as 'select count(*) from tenants_record'",
        "truncate tenants_record",
        "drop table tenants_record",
        "copy tenants_record from program 'true'",
        "select pg_read_file('/etc/passwd')",
        "set local log_statement = 'all'",
        "update tenants_auditevent set action = 'x'",
        "delete from tenants_auditevent",
        "delete from django_migrations",
        "select * from tenants_operatorkey",
    ],
)
def test_the_application_cannot_take_its_fences_down(
    stack: Stack, both: World, statement: str
) -> None:
    with scope_of(stack, both.globex.id) as connection, pytest.raises(REFUSED):
        connection.execute(statement)


def test_to_ask_for_no_row_level_security_is_an_error_and_not_a_way(
    stack: Stack, both: World
) -> None:
    with scope_of(stack, both.globex.id) as connection:
        connection.execute("set local row_security = off")
        with pytest.raises(REFUSED, match="row-level security"):
            connection.execute("select count(*) from tenants_record")
