"""The three databases: what they refuse, what the roles may do, and that both replicas follow."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from sandbox.files import secret
from sandbox.layout import PRIMARY, REGIONS
from sandbox.postgres.roles import password_path
from tests.stack import Stack

REPLICAS = [region for region in REGIONS if region != PRIMARY]


def parameters(stack: Stack, region: str = PRIMARY, **changes: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": stack.ports.postgres(region),
        "user": "gateway_app",
        "password": secret(password_path(stack.home, "gateway_app")),
        "dbname": "gateway",
        "sslmode": "verify-full",
        "sslrootcert": str(stack.home.ca_certificate),
        "connect_timeout": 5,
    } | changes


@pytest.fixture
def app(stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(**parameters(stack), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("region", REGIONS)
def test_every_session_has_tls_1_3_and_scram(stack: Stack, region: str) -> None:
    given = parameters(stack, region, require_auth="scram-sha-256", channel_binding="require")
    with psycopg.connect(**given) as connection:
        query = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
        assert connection.execute(query).fetchone() == (True, "TLSv1.3")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sslmode": "disable"}, "no encryption"),
        ({"password": "wrong"}, "password authentication failed"),
        ({"dbname": "postgres"}, "no pg_hba.conf entry"),
        ({"user": "replicator"}, "no pg_hba.conf entry"),
        ({"user": "gateway_fleet"}, "no pg_hba.conf entry"),
        ({"host": "us-west-1.db.internal", "hostaddr": "127.0.0.1"}, "does not match host name"),
        ({"sslrootcert": "/etc/ssl/certs/ca-certificates.crt"}, "certificate verify failed"),
    ],
)
def test_a_connection_without_the_right_tls_or_password_is_refused(
    stack: Stack, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match=reason):
        psycopg.connect(**parameters(stack, **changes))


@pytest.mark.parametrize(
    "statement",
    [
        "create table t (a int)",
        "truncate django_session",
        "drop table tenants_tenant",
        "alter table tenants_tenant disable row level security",
        "alter table tenants_tenant no force row level security",
        "create extension dblink",
        "create role other",
        "set role gateway_owner",
        "copy (select 1) to program 'true'",
        "select pg_read_file('/etc/passwd')",
        "alter system set fsync = off",
        "select * from pg_authid",
        "insert into django_migrations (app, name, applied) values ('a', 'b', now())",
    ],
)
def test_the_application_role_is_refused(app: psycopg.Connection, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute(statement)


def test_the_application_role_inherits_nothing_and_may_become_the_fleet_role(
    app: psycopg.Connection,
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute("select * from tenants_operatorkey")
    with app.transaction():
        app.execute("set local role gateway_fleet")
        app.execute("select * from tenants_operatorkey limit 0")
        with pytest.raises(errors.InsufficientPrivilege), app.transaction():
            app.execute("select * from tenants_record limit 0")


def test_the_application_role_owns_nothing(stack: Stack) -> None:
    with stack.connect() as connection:
        owned = connection.execute(
            "select count(*) from pg_shdepend where deptype = 'o' and refobjid ="
            " (select oid from pg_roles where rolname = 'gateway_app')"
        ).fetchone()
    assert owned == (0,)


def test_both_replicas_stream_over_tls_and_keep_a_slot(stack: Stack) -> None:
    with stack.connect() as connection:
        streams = connection.execute(
            "select application_name, state, ssl from pg_stat_replication join pg_stat_ssl using (pid)"
        ).fetchall()
        slots = connection.execute(
            "select slot_name from pg_replication_slots where active"
        ).fetchall()
    assert sorted(streams) == sorted((region, "streaming", True) for region in REPLICAS)
    assert sorted(slots) == [("region_eu_west_1",), ("region_us_west_1",)]


def test_a_write_is_read_in_every_region_and_a_replica_takes_no_write(stack: Stack) -> None:
    table = sql.Identifier(f"t_{secrets.token_hex(4)}")
    with stack.connect(user="gateway_owner") as writer:
        writer.execute(sql.SQL("create table {} as select 7 as a").format(table))
        position = writer.execute("select pg_current_wal_flush_lsn()").fetchone()
    for region in REPLICAS:
        with stack.connect(region, user="gateway_owner") as replica:
            while replica.execute("select pg_last_wal_replay_lsn() >= %s", position).fetchone() != (
                True,
            ):
                time.sleep(0.01)
            assert replica.execute(sql.SQL("select a from {}").format(table)).fetchone() == (7,)
            with pytest.raises(errors.ReadOnlySqlTransaction):
                replica.execute(sql.SQL("drop table {}").format(table))
    with stack.connect(user="gateway_owner") as writer:
        writer.execute(sql.SQL("drop table {}").format(table))


def test_pages_carry_checksums_so_that_a_lost_writer_can_be_rewound(stack: Stack) -> None:
    for region in REGIONS:
        with stack.connect(region) as connection:
            for setting in ("data_checksums", "wal_log_hints", "ssl"):
                assert connection.execute(f"show {setting}").fetchone() == ("on",)
