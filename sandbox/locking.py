"""One `up`, `down` or `reset` at a time."""

from __future__ import annotations

import fcntl
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
