"""Roles and privileges: who owns, who migrates, who serves. The same statements prepare Aurora in production.

- gateway_owner: owns the database and its tables, runs migrations, serves nothing.
- gateway_app: what every process connects as; owns nothing, inherits nothing, may become gateway_fleet.
- gateway_fleet: sees the control tables of all tenants; cannot log in.
- replicator: replication, and what pg_rewind reads; no table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from sandbox.files import secret
from sandbox.layout import Home
from sandbox.ports import Ports
from sandbox.postgres.configuration import DATABASE, REPLICATOR

Connection = psycopg.Connection[tuple[Any, ...]]

LOGINS = {
    "gateway_owner": "nosuperuser nocreatedb nocreaterole noinherit",
    "gateway_app": "nosuperuser nocreatedb nocreaterole noinherit",
    REPLICATOR: "nosuperuser nocreatedb nocreaterole noinherit replication",
}

IN_GATEWAY = """
    revoke all on database gateway from public;
    revoke all on schema public from public;
    alter schema public owner to gateway_owner;
    grant connect on database gateway to gateway_app;
    grant usage on schema public to gateway_app, gateway_fleet;
    alter default privileges for role gateway_owner in schema public
        grant select, insert, update, delete on tables to gateway_app;
    alter default privileges for role gateway_owner in schema public
        grant usage, select on sequences to gateway_app;
"""

# What pg_rewind reads from the new writer when an old one comes back.
IN_POSTGRES = """
    revoke connect on database postgres from public;
    grant connect on database postgres to replicator;
    grant execute on function
        pg_catalog.pg_ls_dir(text, boolean, boolean), pg_catalog.pg_stat_file(text, boolean),
        pg_catalog.pg_read_binary_file(text), pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)
        to replicator;
"""


def password_path(home: Home, role: str) -> Path:
    """The file that holds that role's password."""
    return home.secrets / f"{role}.password"


def connect(
    home: Home, ports: Ports, region: str, *, user: str = "postgres", database: str = "postgres"
) -> Connection:
    """A connection to that Region's server as that role, over verified TLS, in autocommit."""
    return psycopg.connect(
        host="127.0.0.1",
        port=ports.postgres(region),
        user=user,
        password=secret(password_path(home, user)),
        dbname=database,
        sslmode="verify-full",
        sslrootcert=str(home.ca_certificate),
        connect_timeout=5,
        autocommit=True,
        application_name="sandbox",
    )


def make_roles(home: Home, ports: Ports, writer: str) -> None:
    """Make what is missing and set the rest again: roles, the database, privileges."""
    with connect(home, ports, writer) as connection:
        for role, attributes in LOGINS.items():
            _make_login(connection, role, attributes, secret(password_path(home, role)))
        if not _exists(connection, "pg_roles", "gateway_fleet"):
            connection.execute("create role gateway_fleet nologin")
        connection.execute("grant gateway_fleet to gateway_app")
        if not _exists(connection, "pg_database", DATABASE):
            connection.execute("create database gateway owner gateway_owner")
        connection.execute(IN_POSTGRES)
    with connect(home, ports, writer, database=DATABASE) as connection:
        connection.execute(IN_GATEWAY)


def _exists(connection: Connection, catalogue: str, name: str) -> bool:
    column = {"pg_roles": "rolname", "pg_database": "datname"}[catalogue]
    query = sql.SQL("select 1 from {} where {} = %s").format(
        sql.Identifier(catalogue), sql.Identifier(column)
    )
    return connection.execute(query, [name]).fetchone() is not None


def _make_login(connection: Connection, role: str, attributes: str, password: str) -> None:
    # Hashed here: a statement that held the password itself could end in the server's log.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    )
    verb = "alter" if _exists(connection, "pg_roles", role) else "create"
    connection.execute(
        sql.SQL("{} role {} login {} password {}").format(
            sql.SQL(verb), sql.Identifier(role), sql.SQL(attributes), sql.Literal(verifier.decode())
        )
    )
