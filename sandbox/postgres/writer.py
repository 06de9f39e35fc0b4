"""Which Region's database takes writes: one line in a file, written before anything is promoted.

So a change of the writer that is cut short at any point is finished by the next start, and two never take writes.
"""

from __future__ import annotations

from sandbox.files import write_file
from sandbox.layout import PRIMARY, Home


def find_writer(home: Home) -> str:
    """The Region whose database takes writes: us-east-2, until a switchover or failover chooses another one."""
    path = home.path / "writer"
    return path.read_text().strip() if path.exists() else PRIMARY


def record_writer(home: Home, region: str) -> None:
    """From now on it is that Region, even if this process ends here."""
    write_file(home.path / "writer", region + "\n")
