"""Makes a server follow the writer, whatever it was before: new, a replica, an old writer, ahead of the writer."""

from __future__ import annotations

import time
from pathlib import Path

from psycopg.conninfo import make_conninfo

from sandbox.errors import SandboxError
from sandbox.files import write_file
from sandbox.layout import REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.binaries import find_binaries, run
from sandbox.postgres.cluster import (
    STANDBY_SIGNAL,
    make_base_backup,
    make_slot,
    needs_base_backup,
)
from sandbox.postgres.configuration import conninfo, data_directory, write_configuration
from sandbox.postgres.roles import connect
from sandbox.readiness import serves_queries, streams, wait_for
from sandbox.supervision import start_program, stop_program

# A replica that goes on streams within a second; one whose log has parted from the writer's never does.
PATIENCE = 10.0


def promote(home: Home, ports: Ports, region: str) -> None:
    """Let that Region's running server take writes and feed the others. Done already, it changes nothing."""
    with connect(home, ports, region) as connection:
        if connection.execute("select pg_is_in_recovery()").fetchone() == (True,):
            done = connection.execute("select pg_promote(true, 60)").fetchone()
            if done != (True,):
                raise SandboxError(f"postgres-{region} was not promoted within a minute.")
        # pg_rewind compares with the last checkpoint, which must be on the new timeline.
        connection.execute("checkpoint")
        for other in REGIONS:
            if other != region:
                make_slot(connection, other)


def follow(home: Home, ports: Ports, writer: str, region: str, *, parted: bool = False) -> None:
    """Return when that Region's server streams from the writer, which must be running.

    `parted`: its log is known to have parted from the writer's. What it alone has is lost: that is data loss, which a
    failover accepts and a switchover never has.
    """
    name = f"postgres-{region}"
    if needs_base_backup(home, ports, writer, region) or _rewinding(home, region).exists():
        stop_program(home, name)
        _copy_afresh(home, ports, writer, region)
    elif parted or not (data_directory(home, region) / STANDBY_SIGNAL).exists():
        stop_program(home, name)
        _rewind(home, ports, writer, region)
    start_program(home, name)
    wait_for(home, name, lambda: serves_queries(home, ports, region))
    if not _streams_soon(home, ports, writer, region):
        stop_program(home, name)
        _rewind(home, ports, writer, region)
        start_program(home, name)
        wait_for(home, name, lambda: streams(home, ports, region))
    _forget_slots(home, ports, region)


def _streams_soon(home: Home, ports: Ports, writer: str, region: str) -> bool:
    with connect(home, ports, writer) as connection:
        timeline = connection.execute("select timeline_id from pg_control_checkpoint()").fetchone()
    deadline = time.monotonic() + PATIENCE
    while not (streams(home, ports, region) and _timeline(home, ports, region) == timeline):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _timeline(home: Home, ports: Ports, region: str) -> object:
    with connect(home, ports, region) as connection:
        return connection.execute("select received_tli from pg_stat_wal_receiver").fetchone()


def _rewind(home: Home, ports: Ports, writer: str, region: str) -> None:
    """Take back what that stopped server has and the writer has not; by a fresh copy where that cannot be done."""
    directory = data_directory(home, region)
    source = make_conninfo(conninfo(home, ports, region), dbname="postgres")
    # Half rewound, a directory is neither the one nor the other: the mark has the next attempt copy it afresh.
    write_file(_rewinding(home, region), "")
    try:
        run(home, find_binaries(home) / "pg_rewind", "-D", directory, f"--source-server={source}")
    except SandboxError:
        _copy_afresh(home, ports, writer, region)
        return
    # pg_rewind has copied the writer's own configuration over this Region's.
    write_configuration(home, ports, region)
    write_file(directory / STANDBY_SIGNAL, "", owner=home.server_user)
    _rewinding(home, region).unlink()


def _copy_afresh(home: Home, ports: Ports, writer: str, region: str) -> None:
    make_base_backup(home, ports, writer, region)
    _rewinding(home, region).unlink(missing_ok=True)


def _rewinding(home: Home, region: str) -> Path:
    return home.postgres / f"{region}.rewinding"


def _forget_slots(home: Home, ports: Ports, region: str) -> None:
    """What an old writer kept for others would keep its log for ever."""
    query = (
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
        " where slot_type = 'physical' and not active"
    )
    with connect(home, ports, region) as connection:
        connection.execute(query)
