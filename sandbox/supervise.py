"""The supervisor's own process: `python -m sandbox.supervise HOME PORTS [--temporary]`."""

from __future__ import annotations

import argparse
import ctypes
import signal
import sys
from pathlib import Path

from supervisor.supervisord import main as supervisord

from sandbox.layout import Home
from sandbox.ports import Ports

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have Linux send SIGTERM to this process when its parent ends, even by SIGKILL; elsewhere, do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> None:
    """Run supervisord until it is told to end; then, if the home is temporary, delete it."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.supervise")
    parser.add_argument("home", type=Path)
    parser.add_argument("ports", type=int)
    parser.add_argument("--temporary", action="store_true")
    given = parser.parse_args()
    home = Home(given.home)
    if given.temporary:
        end_with_parent()
    # The first descriptor after the standard ones: supervisord closes those from 5 up, and in its children from 3 up.
    with Ports(given.ports).claim():
        _supervise(home, temporary=given.temporary)


def _supervise(home: Home, *, temporary: bool) -> None:
    try:
        supervisord(["-c", str(home.path / "supervisord.conf")])
    finally:
        if temporary:
            home.delete()


if __name__ == "__main__":
    main()
