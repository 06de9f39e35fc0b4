"""Starts what stands for AWS, in order, from nothing or from whatever an earlier start left."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from sandbox.broker import write_broker_configuration
from sandbox.files import secret
from sandbox.identities import make_identities
from sandbox.layout import REGIONS, Home
from sandbox.locking import changing_databases
from sandbox.outages import heal
from sandbox.ports import Ports
from sandbox.postgres.cluster import prepare_databases
from sandbox.postgres.following import follow, promote
from sandbox.postgres.roles import LOGINS, make_roles, password_path
from sandbox.postgres.writer import find_writer
from sandbox.programs import Program
from sandbox.readiness import opens, serves_queries, takes_connections, wait_for
from sandbox.signing import make_signing_key
from sandbox.supervision import (
    is_running,
    start_program,
    start_supervisord,
    write_configuration,
)


def prepare_secrets(home: Home) -> None:
    """Make the directories, passwords and access keys that are missing."""
    home.make()
    for role in ("postgres", *LOGINS):
        secret(password_path(home, role))
    make_identities(home)
    make_signing_key(home)


def prepare(home: Home, ports: Ports) -> None:
    """Make every file that is missing, before anything runs."""
    prepare_secrets(home)
    write_broker_configuration(home)
    with changing_databases(home):
        prepare_databases(home, ports)


def start(
    home: Home, ports: Ports, programs: Iterable[Program], *, temporary: bool = False
) -> subprocess.Popen[bytes] | None:
    """Start the supervisor, unless it runs, and under it the data plane: all of it serves and both replicas stream.

    Returns the supervisor's process if it was started here.
    """
    supervisor = None
    if not is_running(home):
        write_configuration(home, programs)
        supervisor = start_supervisord(home, ports, temporary=temporary)
    for name in ("broker", "kms", "parameters"):
        start_program(home, name)
    with changing_databases(home):
        _start_databases(home, ports)
    start_program(home, "rds")
    wait_for(home, "broker", lambda: opens(home.broker_socket))
    wait_for(home, "parameters", lambda: takes_connections(ports.parameters))
    wait_for(home, "rds", lambda: opens(home.rds_socket))
    wait_for(home, "kms", lambda: takes_connections(ports.kms_admin))
    heal(ports, REGIONS)
    for region in REGIONS:
        _wait_for_kms(home, ports, region)
    return supervisor


def _start_databases(home: Home, ports: Ports) -> None:
    writer = find_writer(home)
    name = f"postgres-{writer}"
    start_program(home, name)
    wait_for(home, name, lambda: serves_queries(home, ports, writer))
    promote(home, ports, writer)  # where a failover was cut short
    make_roles(home, ports, writer)
    for region in REGIONS:
        if region != writer:
            follow(home, ports, writer, region)


def _wait_for_kms(home: Home, ports: Ports, region: str) -> None:
    wait_for(home, "kms", lambda: takes_connections(ports.kms(region)))
