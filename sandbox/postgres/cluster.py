"""Data directories: the writer's by initdb, a replica's by a base backup. A directory is complete or absent."""

from __future__ import annotations

import shutil
from pathlib import Path

from sandbox.certificates import make_certificates
from sandbox.errors import SandboxError
from sandbox.files import secret, write_file
from sandbox.layout import REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.binaries import check_system, find_binaries, run, version
from sandbox.postgres.configuration import (
    REPLICATOR,
    conninfo,
    data_directory,
    slot_name,
    write_configuration,
    write_passfile,
)
from sandbox.postgres.roles import Connection, connect, password_path
from sandbox.postgres.writer import find_writer

STANDBY_SIGNAL = "standby.signal"


def forget_dead_servers(home: Home) -> None:
    """Remove the lock files of servers that were killed. Call it only when no process of this sandbox lives.

    PostgreSQL refuses to start while the process id in its lock file is in use, which after a restart of a container
    is often the id of something else.
    """
    for region in REGIONS:
        forget_dead_server(home, region)


def forget_dead_server(home: Home, region: str) -> None:
    """The same for one Region whose server was killed, with all of its processes."""
    (data_directory(home, region) / "postmaster.pid").unlink(missing_ok=True)


def prepare_databases(home: Home, ports: Ports) -> None:
    """What databases need before they run: certificates, passwords, configuration, the writer's data directory."""
    check_system(find_binaries(home))
    make_certificates(home.postgres / "tls", REGIONS, home.server_user)
    write_passfile(home, secret(password_path(home, REPLICATOR)))
    writer = find_writer(home)
    if not data_directory(home, writer).exists():
        if any(data_directory(home, region).exists() for region in REGIONS):
            raise SandboxError(
                "There are replicas and no database that takes writes. Start afresh: make reset"
            )
        _initialise(home, ports, writer)
    for region in REGIONS:
        if data_directory(home, region).exists():
            write_configuration(home, ports, region)


def needs_base_backup(home: Home, ports: Ports, writer: str, region: str) -> bool:
    """Whether that replica has no data, or missed more WAL than the writer kept for it."""
    if not data_directory(home, region).exists():
        return True
    with connect(home, ports, writer) as connection:
        return _slot_state(connection, region) in (None, "lost")


def make_base_backup(home: Home, ports: Ports, writer: str, region: str) -> None:
    """Give that Region a fresh copy of the writer's data. Its server must not run."""
    shutil.rmtree(data_directory(home, region), ignore_errors=True)
    with connect(home, ports, writer) as connection:
        make_slot(connection, region)
    _copy_from_writer(home, ports, region)


def make_slot(connection: Connection, region: str) -> None:
    """Have the writer keep WAL for that Region from now on; a slot that kept too little is made anew."""
    if _slot_state(connection, region) == "lost":
        connection.execute("select pg_drop_replication_slot(%s)", [slot_name(region)])
    if _slot_state(connection, region) is None:
        make = "select pg_create_physical_replication_slot(%s, true)"
        connection.execute(make, [slot_name(region)])


def _slot_state(connection: Connection, region: str) -> str | None:
    query = "select wal_status from pg_replication_slots where slot_name = %s"
    found = connection.execute(query, [slot_name(region)]).fetchone()
    return str(found[0]) if found else None


def _initialise(home: Home, ports: Ports, region: str) -> None:
    binaries = find_binaries(home)
    staged = _staged(home, region)
    password = home.postgres / "superuser.password"
    write_file(password, secret(password_path(home, "postgres")), owner=home.server_user)
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    locale = builtin if version(binaries) >= 17 else ["--locale=C.UTF-8"]
    options = [
        "-U",
        "postgres",
        "-E",
        "UTF8",
        "-A",
        "scram-sha-256",
        "--data-checksums",
        "--no-instructions",
    ]
    try:
        run(home, binaries / "initdb", "-D", staged, *options, f"--pwfile={password}", *locale)
    finally:
        password.unlink()
    write_configuration(home, ports, region, staged)
    staged.rename(data_directory(home, region))


def _copy_from_writer(home: Home, ports: Ports, region: str) -> None:
    binaries = find_binaries(home)
    staged = _staged(home, region)
    source = conninfo(home, ports, region)
    options = ["-X", "stream", "-c", "fast", "-S", slot_name(region)]
    run(home, binaries / "pg_basebackup", "-D", staged, "-d", source, *options)
    write_configuration(home, ports, region, staged)
    write_file(staged / STANDBY_SIGNAL, "", owner=home.server_user)
    staged.rename(data_directory(home, region))


def _staged(home: Home, region: str) -> Path:
    # What a killed start left half made is thrown away: only complete directories bear the Region's own name.
    staged = home.postgres / f"{region}.new"
    shutil.rmtree(staged, ignore_errors=True)
    return staged
