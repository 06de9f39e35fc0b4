"""Starts what stands for AWS, in order, from nothing or from whatever an earlier start left."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from sandbox.broker import write_broker_configuration
from sandbox.files import secret
from sandbox.identities import make_identities
from sandbox.layout import REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.cluster import make_base_backup, needs_base_backup, prepare_writer
from sandbox.postgres.roles import LOGINS, make_roles, password_path
from sandbox.programs import Program
from sandbox.readiness import opens, serves_queries, streams, takes_connections, wait_for
from sandbox.supervision import (
    is_running,
    start_program,
    start_supervisord,
    stop_program,
    write_configuration,
)


def prepare_secrets(home: Home) -> None:
    """Make the directories, passwords and access keys that are missing."""
    home.make()
    for role in ("postgres", *LOGINS):
        secret(password_path(home, role))
    make_identities(home)


def prepare(home: Home, ports: Ports) -> str:
    """Make every file that is missing, before anything runs; returns the Region whose database takes writes."""
    prepare_secrets(home)
    write_broker_configuration(home)
    return prepare_writer(home, ports)


def start(
    home: Home, ports: Ports, writer: str, programs: Iterable[Program], *, temporary: bool = False
) -> subprocess.Popen[bytes] | None:
    """Start the supervisor, unless it runs, and under it the data plane: all of it serves and both replicas stream.

    Returns the supervisor's process if it was started here.
    """
    supervisor = None
    if not is_running(home):
        write_configuration(home, programs)
        supervisor = start_supervisord(home, ports, temporary=temporary)
    for name in ("broker", "kms", "parameters", f"postgres-{writer}"):
        start_program(home, name)
    wait_for(home, f"postgres-{writer}", lambda: serves_queries(home, ports, writer))
    make_roles(home, ports, writer)
    for region in REGIONS:
        if region != writer:
            _start_replica(home, ports, writer, region)
    wait_for(home, "broker", lambda: opens(home.broker_socket))
    wait_for(home, "parameters", lambda: takes_connections(ports.parameters))
    for region in REGIONS:
        _wait_for_kms(home, ports, region)
    return supervisor


def _start_replica(home: Home, ports: Ports, writer: str, region: str) -> None:
    name = f"postgres-{region}"
    if needs_base_backup(home, ports, writer, region):
        stop_program(home, name)
        make_base_backup(home, ports, writer, region)
    start_program(home, name)
    wait_for(home, name, lambda: streams(home, ports, region))


def _wait_for_kms(home: Home, ports: Ports, region: str) -> None:
    wait_for(home, "kms", lambda: takes_connections(ports.kms(region)))
