"""One `up`, `down` or `reset` at a time; one change of which database follows which at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.errors import SandboxError
from sandbox.layout import Home


@contextmanager
def exclusive(home: Home) -> Iterator[None]:
    """Hold the sandbox's lock; SandboxError at once when another command holds it. It ends with its process."""
    home.path.mkdir(parents=True, exist_ok=True)
    with (home.path / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(
                "Another command is starting or stopping this sandbox. Wait until it ends."
            ) from None
        yield


@contextmanager
def changing_databases(home: Home, patience: float = 120.0) -> Iterator[None]:
    """Wait for whoever else starts, stops, promotes or rewinds databases; SandboxError when that takes too long."""
    deadline = time.monotonic() + patience
    with (home.path / "databases.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SandboxError("Another change of the databases does not end.") from None
                time.sleep(0.1)
        yield
