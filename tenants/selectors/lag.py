"""How far the Regions' readers are behind the writer.

The writer's time is written down every few seconds (`tenants/services/heartbeat.py`) and replicated like everything
else, so its age in a reader is how old all that the reader shows may be. That holds on Aurora and elsewhere, and for a
replication that stands still, which the replication views of a standby do not show. Resolution: about three seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import inf

from django.conf import settings
from django.db import connections
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from tenants.errors import WriterMoved
from tenants.models import RegionStatus
from tenants.scope import fleet_scope, scope_alias
from tenants.selectors.writer import IS_AURORA

_AGE = "select extract(epoch from clock_timestamp() - beat_at) from tenants_writerepoch"
_AURORA = """
    select aws_region, max(visibility_lag_in_msec) from aurora_global_db_instance_status()
    where visibility_lag_in_msec is not null group by aws_region
"""


@dataclass(frozen=True, slots=True)
class RegionLag:
    """`behind_seconds` as that Region's worker measured it at `measured_at`, `measured_seconds_ago` by the clock of the
    database that was asked; `aurora_lag_seconds` as Aurora itself says, None elsewhere."""

    region: str
    behind_seconds: float
    measured_at: datetime
    aurora_lag_seconds: float | None
    measured_seconds_ago: float

    def is_beyond(self, seconds: float) -> bool:
        """Whether it is further behind than that, or may be: nothing was heard of it for longer."""
        found = (self.behind_seconds, self.measured_seconds_ago, self.aurora_lag_seconds or 0.0)
        return max(found) > seconds


def measure_lag() -> float:
    """Seconds that this Region's reader is behind, never below 0; asks the database. Raises `WriterMoved`."""
    with fleet_scope("read"), connections[scope_alias()].cursor() as cursor:
        cursor.execute(_AGE)
        return max(0.0, float(cursor.fetchone()[0]))


def list_region_lag() -> list[RegionLag]:
    """Every Region that has a worker, by name."""
    with fleet_scope("read"):
        with connections[scope_alias()].cursor() as cursor:
            cursor.execute(IS_AURORA)
            said: dict[str, int] = {}
            if cursor.fetchone()[0]:
                cursor.execute(_AURORA)
                said = dict(cursor.fetchall())
        age = ExpressionWrapper(Now() - F("measured_at"), DurationField())
        rows = list(RegionStatus.objects.annotate(age=age).order_by("region"))
    return [
        RegionLag(
            row.region,
            row.behind_seconds,
            row.measured_at,
            said[row.region] / 1000 if row.region in said else None,
            max(0.0, row.age.total_seconds()),
        )
        for row in rows
    ]


class Watch:
    """The lag of this Region's reader, measured at most once a second in a process, however many requests ask."""

    def __init__(self, measure: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """`measure` gives seconds."""
        self._measure, self._monotonic = measure, monotonic
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._measured_at = -inf

    def seconds(self) -> float:
        """How far it is behind; endless where no database says so. While one thread asks, the others take what was
        known a second ago."""
        stale = self._monotonic() - self._measured_at >= 1
        if stale and self._lock.acquire(blocking=self._measured_at == -inf):
            try:
                if self._monotonic() - self._measured_at >= 1:
                    self._seconds = self._asked()
                    self._measured_at = self._monotonic()
            finally:
                self._lock.release()
        return self._seconds

    def _asked(self) -> float:
        try:
            return self._measure()
        except WriterMoved:
            return inf


_watch = Watch(measure_lag, time.monotonic)


def seconds_behind() -> float | None:
    """How far this Region's reader is behind, where that is beyond `GATEWAY_READER_BEHIND_SECONDS`; else None.

    0 there turns the question off."""
    bound: int = settings.GATEWAY_READER_BEHIND_SECONDS
    seconds = _watch.seconds() if bound else 0.0
    return seconds if seconds > bound else None
