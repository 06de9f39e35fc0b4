"""Whom PostgreSQL runs as: it refuses to run as root, so root hands it to another user."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError


@dataclass(frozen=True, slots=True)
class ServerUser:
    """An account of this machine."""

    name: str
    uid: int
    gid: int


def find_server_user() -> ServerUser | None:
    """As root: `postgres` where there is one, else `nobody`. As an ordinary user: None, it runs as that user."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, entry.pw_uid, entry.pw_gid)
    raise SandboxError(
        "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as."
    )


def can_reach(path: Path) -> bool:
    """Whether another user may pass through every directory above that path."""
    return all(
        parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents if parent.exists()
    )
