"""The mark that every process of a sandbox bears, by which those that nobody supervises are found and ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from sandbox.layout import Home

MARK = "SANDBOX_PROCESS_OF"
PROC = Path("/proc")


def clean_environment(home: Home) -> dict[str, str]:
    """What every process has, and nothing of the caller's. MARK tells them from all others on the machine."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home.path),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        MARK: str(home.path),
    }


def find_processes(home: Home) -> list[int]:
    """Ids of this sandbox's living processes, this one excepted. Linux only; elsewhere none are found."""
    mark = f"{MARK}={home.path}".encode()
    return [
        int(entry.name)
        for entry in (PROC.iterdir() if PROC.exists() else ())
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _is_marked(entry, mark)
    ]


def end_processes(home: Home, patience: float = 20.0) -> list[int]:
    """End them all: SIGINT first (for PostgreSQL: fast shutdown), SIGKILL when patience is over. Returns their ids."""
    found = find_processes(home)
    # A program stops its own children; told by two sides at once, some hang.
    _signal([pid for pid in found if _leads_its_group(pid)], signal.SIGINT)
    deadline = time.monotonic() + patience
    while find_processes(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    _signal(find_processes(home), signal.SIGKILL)
    return found


def freeze(pid: int) -> list[int]:
    """Stop a process and all that descend from it where they stand, parents first; returns their ids."""
    frozen: list[int] = []
    new = [pid]
    while new:
        _signal(new, signal.SIGSTOP)
        frozen += new
        new = [child for child in _children(frozen) if child not in frozen]
    return frozen


def kill(pids: list[int]) -> None:
    """End them at once."""
    _signal(pids, signal.SIGKILL)


def _children(parents: list[int]) -> list[int]:
    entries = [entry for entry in (PROC.iterdir() if PROC.exists() else ()) if entry.name.isdigit()]
    return [int(entry.name) for entry in entries if _parent(entry) in parents]


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # ended meanwhile
        return 0


def _is_marked(entry: Path, mark: bytes) -> bool:
    try:
        alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        return alive and mark in (entry / "environ").read_bytes().split(b"\0")
    except OSError:  # ended meanwhile, or another user's
        return False


def _leads_its_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
