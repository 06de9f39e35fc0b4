"""The heartbeat: the writer's time, written down every few seconds, and what each Region's reader shows of it.

Every Region's worker beats, so that one that lives is enough. Run twice, it changes nothing. Whoever finds that the
writer is in another Region than was written down begins a new epoch: so old writers are refused also after a failover
that nobody told us of, by the console of RDS for example.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db import connections
from django.db.models.functions import Now

from tenants.models import RegionStatus, WriterEpoch
from tenants.scope import fleet_scope, scope_alias
from tenants.selectors.lag import measure_lag
from tenants.selectors.writer import find_writer_region
from tenants.services.writer import count_up

# More than one Region beats; the row is written once a second at most.
_PAUSE = timedelta(seconds=1)
_log = structlog.get_logger(__name__)


def beat_heart(*, region: str) -> None:
    """Beat, and report how far behind that Region's reader was just before. Raises `WriterMoved`."""
    behind = measure_lag()
    with fleet_scope("write"):
        _notice_move()
        WriterEpoch.objects.filter(beat_at__lt=Now() - _PAUSE).update(beat_at=Now())
        RegionStatus.objects.update_or_create(
            region=region, defaults={"behind_seconds": behind, "measured_at": Now()}
        )


def _notice_move() -> None:
    with connections[scope_alias()].cursor() as cursor:
        where = find_writer_region(cursor)
    if where and (epoch := count_up(region=where, unless_there=True)):
        _log.warning("writer_moved", to=where, epoch=epoch)
