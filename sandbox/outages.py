"""A Region is lost, or a part of it, and comes back. Nothing comes back by itself, as after a real outage."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from sandbox.kms.remote import Remote
from sandbox.layout import Home
from sandbox.locking import changing_databases
from sandbox.ports import Ports
from sandbox.postgres.cluster import forget_dead_server
from sandbox.postgres.failover import settle
from sandbox.postgres.writer import find_writer
from sandbox.readiness import takes_connections, wait_for
from sandbox.supervision import kill_program, start_program


class Part(StrEnum):
    """What of a Region."""

    DATABASE = "database"
    KMS = "kms"  # with Parameter Store and the other services behind the Region's endpoint
    GATEWAY = "gateway"  # its web process and worker


def kill_region(home: Home, ports: Ports, region: str, parts: Sequence[Part]) -> None:
    """End those parts of the Region as a power cut would, and keep them down."""
    if Part.GATEWAY in parts:
        for name in _gateway(region):
            kill_program(home, name)
    if Part.KMS in parts:
        kms_admin(ports).post(f"regions/{region}", {"mode": "down"})
    if Part.DATABASE in parts:
        kill_program(home, f"postgres-{region}")
        forget_dead_server(home, region)


def start_region(home: Home, ports: Ports, region: str, parts: Sequence[Part]) -> None:
    """Bring those parts back. A database that was the writer before a failover comes back as a replica."""
    if Part.KMS in parts:
        kms_admin(ports).post(f"regions/{region}", {"mode": "up"})
        wait_for(home, "kms", lambda: takes_connections(ports.kms(region)))
    if Part.DATABASE in parts:
        with changing_databases(home):
            settle(home, ports, {region} - {find_writer(home)})
    if Part.GATEWAY in parts:
        for name in _gateway(region):
            start_program(home, name)
        wait_for(home, f"web-{region}", lambda: takes_connections(ports.gateway(region)))


def kms_admin(ports: Ports) -> Remote:
    """Orders to the KMS stand-in of this sandbox."""
    return Remote(f"http://127.0.0.1:{ports.kms_admin}")


def heal(ports: Ports, regions: Sequence[str], operation: str = "") -> None:
    """End all faults of KMS in those Regions, or those of one operation."""
    for region in regions:
        kms_admin(ports).post(f"regions/{region}", {"mode": "up", "operation": operation})


def _gateway(region: str) -> tuple[str, str]:
    return f"web-{region}", f"worker-{region}"
