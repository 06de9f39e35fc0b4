"""The Regions, and where the files of one sandbox are.

HOME/secrets/    passwords, access keys, credentials files: 0700
HOME/postgres/   data directories, certificates, binaries when copied: the server's user owns it
HOME/kms/ parameters/ broker/   state of the other servers
HOME/run/        sockets, in a short path
HOME/writer      the Region whose database takes writes
HOME/logs/ static/ ports.json supervisord.conf
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.files import make_private_directory
from sandbox.server_user import ServerUser, can_reach, find_server_user

ROOT = Path(__file__).resolve().parent.parent
PRIMARY = "us-east-2"
REGIONS = (PRIMARY, "us-west-1", "eu-west-1")
ACCOUNT = "111122223333"
GLOBAL_CLUSTER = "mrk-gateway"  # the three databases, as RDS names them

# The path of a Unix socket ends at 107 bytes, and supervisord binds `NAME.PID` before it renames. The broker's is part
# of a URL, so it has no character that a URL would quote.
USABLE_FOR_SOCKETS = re.compile(r"[A-Za-z0-9/._-]{1,75}")


@dataclass(frozen=True, slots=True)
class Home:
    """The directory that holds one sandbox; properties name its parts and make nothing."""

    path: Path

    @property
    def secrets(self) -> Path:
        """Passwords and credentials."""
        return self.path / "secrets"

    @property
    def logs(self) -> Path:
        """One file a process, rotated."""
        return self.path / "logs"

    @property
    def digest(self) -> str:
        """Names what must live outside of the home, one sandbox apart from another."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]

    @property
    def run(self) -> Path:
        """Sockets: in the home, or in the temporary directory when the home's path is too long or too odd for them."""
        inside = self.path / "run"
        if USABLE_FOR_SOCKETS.fullmatch(str(inside)):
            return inside
        return Path(tempfile.gettempdir()) / f"mrk-gateway-{os.getuid()}-{self.digest}"

    @property
    def server_user(self) -> ServerUser | None:
        """Whom PostgreSQL runs as; None for "as me"."""
        return find_server_user()

    @property
    def postgres(self) -> Path:
        """Data of the three servers. As root in a home that other users cannot enter: under /var/lib."""
        user = self.server_user
        if user is None or can_reach(self.path):
            return self.path / "postgres"
        return Path("/var/lib") / f"mrk-gateway-{self.digest}"

    @property
    def ca_certificate(self) -> Path:
        """The CA that signed each server's certificate."""
        return self.postgres / "tls" / "ca.crt"

    @property
    def broker_socket(self) -> Path:
        """Where the broker listens."""
        return self.run / "broker.sock"

    @property
    def rds_socket(self) -> Path:
        """Where the RDS stand-in listens."""
        return self.run / "rds.sock"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord takes commands."""
        return self.run / "supervisor.sock"

    def make(self) -> None:
        """Make the directories; run it as often as you like."""
        self.path.mkdir(parents=True, exist_ok=True)
        # As root, PostgreSQL's user must be able to pass through, and not to list.
        self.path.chmod(0o711 if self.server_user else 0o700)
        for name in ("secrets", "kms", "parameters", "broker", "logs"):
            make_private_directory(self.path / name)
        make_private_directory(self.run)
        make_private_directory(self.postgres, self.server_user)

    def delete(self) -> None:
        """Delete everything. Nothing of it may run."""
        for directory in (self.postgres, self.run, self.path):
            shutil.rmtree(directory, ignore_errors=True)


def default_home() -> Home:
    """`.sandbox` in the checkout, or GATEWAY_SANDBOX_HOME."""
    return Home(Path(os.environ.get("GATEWAY_SANDBOX_HOME", ROOT / ".sandbox")).resolve())


def read_json(path: Path) -> dict[str, object]:
    """The object in that file, or an empty one when there is no such file."""
    found: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
    return found
