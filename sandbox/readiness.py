"""Waiting until a process serves, or saying at once that it will not."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from sandbox.errors import SandboxError
from sandbox.layout import Home
from sandbox.ports import Ports
from sandbox.postgres.roles import connect
from sandbox.supervision import find_states

PATIENCE = 60.0


def wait_for(home: Home, name: str, serves: Callable[[], bool]) -> None:
    """Return when `serves()`; SandboxError with the end of the program's log when it gave up or time is over."""
    deadline = time.monotonic() + PATIENCE
    while not serves():
        state = find_states(home)[name]["statename"]
        if state in ("FATAL", "EXITED", "STOPPED") or time.monotonic() > deadline:
            raise SandboxError(
                f"{name} did not become ready ({state}).\n{_end_of_log(home.logs / f'{name}.log')}"
            )
        time.sleep(0.05)


def takes_connections(port: int) -> bool:
    """Whether something listens on that port."""
    with socket.socket() as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def opens(path: Path) -> bool:
    """Whether something listens on that Unix socket."""
    with socket.socket(socket.AF_UNIX) as attempt:
        attempt.settimeout(1)
        return attempt.connect_ex(str(path)) == 0


def answers(port: int, path: str) -> bool:
    """Whether a GET of that path is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def serves_queries(home: Home, ports: Ports, region: str) -> bool:
    """Whether that Region's PostgreSQL answers a query."""
    try:
        with connect(home, ports, region) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def streams(home: Home, ports: Ports, region: str) -> bool:
    """Whether that Region's replica answers and receives WAL on the writer's timeline."""
    try:
        with connect(home, ports, region) as connection:
            found = connection.execute("select status from pg_stat_wal_receiver").fetchone()
            return found == ("streaming",)
    except psycopg.OperationalError:
        return False


def _end_of_log(path: Path, lines: int = 15) -> str:
    if not path.exists():
        return f"It has not logged anything ({path})."
    return "\n".join(
        [*path.read_text(errors="replace").splitlines()[-lines:], f"(the end of {path})"]
    )
