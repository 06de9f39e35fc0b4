"""The ports of one sandbox, all counted from one base and all below 32768.

Linux gives ports from 32768 up to outgoing connections, so a client that retries against a server which is down could
be given that server's own port.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.errors import SandboxError
from sandbox.layout import REGIONS

DEFAULT_BASE = 18000
FIRST_EPHEMERAL = 32768
SPAN = 40


@dataclass(frozen=True, slots=True)
class Ports:
    """Numbers only; nothing is bound."""

    base: int

    def __post_init__(self) -> None:
        """Refuse a base whose ports are privileged or ephemeral."""
        if not 1024 <= self.base <= FIRST_EPHEMERAL - SPAN:
            raise SandboxError(
                f"PORTS must be from 1024 to {FIRST_EPHEMERAL - SPAN}, not {self.base}."
            )

    def gateway(self, region: str) -> int:
        """That Region's web process."""
        return self.base + 1 + REGIONS.index(region)

    def kms(self, region: str) -> int:
        """KMS of that Region."""
        return self.base + 11 + REGIONS.index(region)

    @property
    def kms_admin(self) -> int:
        """Where the KMS stand-in is told to misbehave and shows its events."""
        return self.base + 19

    def postgres(self, region: str) -> int:
        """That Region's PostgreSQL."""
        return self.base + 21 + REGIONS.index(region)

    @property
    def parameters(self) -> int:
        """Parameter Store of all Regions."""
        return self.base + 30

    def named(self) -> Iterator[tuple[str, int]]:
        """Each port with what holds it."""
        yield "the sandbox itself", self.base
        for region in REGIONS:
            yield f"gateway {region}", self.gateway(region)
            yield f"KMS {region}", self.kms(region)
            yield f"PostgreSQL {region}", self.postgres(region)
        yield "KMS administration", self.kms_admin
        yield "Parameter Store", self.parameters

    def claim(self) -> socket.socket:
        """Hold the base, by which another sandbox with these ports is kept off while the socket is open.

        Two that start at the same time both find all ports free; only one of them gets the base.
        """
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", self.base))
        except OSError:
            held.close()
            raise SandboxError(f"Another sandbox holds the ports from {self.base}.") from None
        return held

    def check_free(self) -> None:
        """Raise SandboxError that names every taken port and a base that is free."""
        taken = [f"{port} ({name})" for name, port in self.named() if not is_free(port)]
        if taken:
            raise SandboxError(
                f"Taken by another program: port {', '.join(taken)}.\n"
                f"Choose other ports: make up PORTS={find_free().base}"
            )


def is_free(port: int) -> bool:
    """Whether a server could listen on that port of the loopback interface now."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def find_free() -> Ports:
    """Ports that are all free now, at random, so that two callers at the same time seldom find the same."""
    for _ in range(100):
        ports = Ports(20000 + SPAN * secrets.randbelow(300))
        if all(is_free(port) for _, port in ports.named()):
            return ports
    raise SandboxError("No range of free ports was found between 20000 and 32000.")
