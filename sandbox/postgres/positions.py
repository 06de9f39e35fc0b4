"""How far each database is in the write-ahead log, as a number of bytes."""

from __future__ import annotations

import re
import subprocess

from sandbox.errors import SandboxError
from sandbox.layout import Home
from sandbox.ports import Ports
from sandbox.postgres.binaries import find_binaries
from sandbox.postgres.configuration import data_directory
from sandbox.postgres.roles import connect
from sandbox.processes import clean_environment


def received(home: Home, ports: Ports, region: str) -> int:
    """Up to where that replica has the log safely on disk, replayed or not."""
    query = (
        "select pg_wal_lsn_diff(greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()),"
        " '0/0')::bigint"
    )
    with connect(home, ports, region) as connection:
        found = connection.execute(query).fetchone()
    return int(found[0]) if found and found[0] is not None else 0


def shutdown_checkpoint(home: Home, region: str) -> int:
    """Where the log of that stopped server ends; SandboxError when it was not shut down in order."""
    shown = subprocess.run(
        [find_binaries(home) / "pg_controldata", "-D", data_directory(home, region)],
        env=clean_environment(home),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    state = re.search(r"^Database cluster state: +(.+)$", shown, re.MULTILINE)
    location = re.search(
        r"^Latest checkpoint location: +([0-9A-F]+)/([0-9A-F]+)$", shown, re.MULTILINE
    )
    if not state or state[1] != "shut down" or not location:
        raise SandboxError(f"postgres-{region} was not shut down in order.")
    return (int(location[1], 16) << 32) + int(location[2], 16)
