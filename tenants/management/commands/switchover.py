"""manage.py switchover us-east-2 --report switchover.json"""

from __future__ import annotations

from tenants.management.writer import MoveCommand
from tenants.services.failover import Kind


class Command(MoveCommand):
    """Planned, without loss: the present writer hands over."""

    kind = Kind.SWITCHOVER
    help = (
        "Make this Region's database the writer, planned and without loss. Exit codes: 0 done, 1 nothing was"
        " changed, 4 refused, failed or not proven: see the report."
    )
