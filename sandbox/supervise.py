"""The supervisor's own process: `python -m sandbox.supervise HOME [--temporary]`."""

from __future__ import annotations

import argparse
import ctypes
import signal
import sys
from pathlib import Path

from supervisor.supervisord import main as supervisord

from sandbox.layout import Home

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have Linux send SIGTERM to this process when its parent ends, even by SIGKILL; elsewhere, do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> None:
    """Run supervisord until it is told to end; then, if the home is temporary, delete it."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.supervise")
    parser.add_argument("home", type=Path)
    parser.add_argument("--temporary", action="store_true")
    given = parser.parse_args()
    home = Home(given.home)
    if given.temporary:
        end_with_parent()
    try:
        supervisord(["-c", str(home.path / "supervisord.conf")])
    finally:
        if given.temporary:
            home.delete()


if __name__ == "__main__":
    main()
