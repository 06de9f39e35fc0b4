"""manage.py failover eu-west-1 --report failover.json"""

from __future__ import annotations

from tenants.management.writer import MoveCommand
from tenants.services.failover import Kind


class Command(MoveCommand):
    """The writer is lost: another Region takes over, without what it has not received."""

    kind = Kind.FAILOVER
    help = (
        "Make this Region's database the writer because the present one is lost. Exit codes: 0 done, 1 nothing was"
        " changed, 4 refused, failed or not proven: see the report."
    )
