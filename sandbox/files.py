"""Files that hold secrets: whole or absent, never readable by others, not even for a moment."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.server_user import ServerUser


def write_file(
    path: Path, text: str, *, owner: ServerUser | None = None, mode: int = 0o600
) -> None:
    """Write the file whole: under another name first, then renamed over the old one."""
    staged = path.with_name(f"{path.name}.{os.getpid()}.new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    if owner:
        os.chown(staged, owner.uid, owner.gid)
    staged.replace(path)


def secret(path: Path, size: int = 32) -> str:
    """The secret in that file, made at random and written when there is none yet."""
    if not path.exists():
        write_file(path, secrets.token_urlsafe(size) + "\n")
    return path.read_text().strip()


def make_private_directory(path: Path, owner: ServerUser | None = None) -> None:
    """Make the directory with mode 0700 for its owner; refuse a link, or what somebody else made before us."""
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        found = path.lstat()
        ours = (os.getuid(), owner.uid) if owner else (os.getuid(),)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
            raise SandboxError(
                f"{path} belongs to another user. Delete it, or start as that user."
            ) from None
    if owner:
        os.chown(path, owner.uid, owner.gid)
    path.chmod(0o700)
