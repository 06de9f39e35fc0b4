"""Another Region's database becomes the writer: planned, without loss; or unplanned, when the writer is lost."""

from __future__ import annotations

import time
from collections.abc import Collection

import psycopg

from sandbox.errors import SandboxError
from sandbox.layout import REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.cluster import forget_dead_server
from sandbox.postgres.following import follow, promote
from sandbox.postgres.positions import received, shutdown_checkpoint
from sandbox.postgres.writer import find_writer, record_writer
from sandbox.readiness import serves_queries, streams, wait_for
from sandbox.supervision import find_states, kill_program, start_program, stop_program

PATIENCE = 10.0


def switch_over(home: Home, ports: Ports, target: str) -> None:
    """Make that Region the writer without losing a write; SandboxError, and nothing changed, where that cannot be."""
    # 1. Only a replica that follows can take over.
    writer = find_writer(home)
    followers = running(home) - {writer, target}
    if not streams(home, ports, target):
        raise SandboxError(f"postgres-{target} does not follow the writer.")
    # 2. The writer ends all sessions and sends its last bytes before it stops.
    stop_program(home, f"postgres-{writer}")
    # 3. The target must have them.
    try:
        _wait_until_received(home, ports, target, shutdown_checkpoint(home, writer))
    except SandboxError:
        start_program(home, f"postgres-{writer}")
        raise
    # 4. From here on it goes forward only.
    record_writer(home, target)
    settle(home, ports, {writer, *followers})


def fail_over(home: Home, ports: Ports, target: str) -> None:
    """Make that Region the writer and give up what it has not received; SandboxError where it cannot take over."""
    writer = find_writer(home)
    followers = running(home) - {target}
    if target not in candidates(home, ports):
        raise SandboxError(f"postgres-{target} is not running, or is the writer already.")
    # 1. Fence: the old writer must not acknowledge another write.
    kill_program(home, f"postgres-{writer}")
    forget_dead_server(home, writer)
    # 2. Who has more than the target, now that nothing more arrives, has to give it up.
    has = candidates(home, ports)
    parted = {region for region in has if has[region] > has[target]}
    # 3. As above. The old writer follows too, unless it was down before.
    record_writer(home, target)
    settle(home, ports, followers, parted={writer, *parted})


def candidates(home: Home, ports: Ports) -> dict[str, int]:
    """The Regions that could become the writer: how much of its log each has, in bytes. The most is the best."""
    return {
        region: received(home, ports, region)
        for region in running(home) - {find_writer(home)}
        if serves_queries(home, ports, region)
    }


def settle(
    home: Home, ports: Ports, followers: Collection[str], *, parted: Collection[str] = ()
) -> None:
    """Make the databases what the record of the writer says. Run again after a crash, it goes on where it was."""
    writer = find_writer(home)
    name = f"postgres-{writer}"
    start_program(home, name)
    wait_for(home, name, lambda: serves_queries(home, ports, writer))
    promote(home, ports, writer)
    for region in REGIONS:
        if region != writer and region in followers:
            follow(home, ports, writer, region, parted=region in parted)


def running(home: Home) -> set[str]:
    """The Regions whose database the supervisor keeps running."""
    states = find_states(home)
    return {
        region
        for region in REGIONS
        if states[f"postgres-{region}"]["statename"] in ("RUNNING", "STARTING", "BACKOFF")
    }


def _wait_until_received(home: Home, ports: Ports, region: str, position: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if received(home, ports, region) > position:
                return
        except psycopg.OperationalError:
            pass  # it is lost itself: the same as too late
        if time.monotonic() > deadline:
            raise SandboxError(f"postgres-{region} has not received all writes.")
        time.sleep(0.05)
