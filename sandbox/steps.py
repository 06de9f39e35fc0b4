"""What a person sees while the sandbox starts: a line a step, with its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show the step when it begins, and its duration when it ends well."""
    print(f"  {what:<58}", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed" if time.monotonic() - began > 0 else "", flush=True)
        raise
    print(f"{time.monotonic() - began:6.1f} s", flush=True)
