"""In which order Regions are asked: the own one first, and one that just failed last, until it has cooled down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence


class RegionOrder:
    """Remembers which Regions' KMS failed lately. Small and shared by all tenants of the process.

    While a Region cools down it is still asked, last: where the others fail as well, it is the last hope.
    """

    def __init__(
        self, own: str, cool_down_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`own` is the process's Region, `clock` a monotonic clock in seconds."""
        self._own = own
        self._cool_down = cool_down_seconds
        self._clock = clock
        self._failed_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def of(self, regions: Sequence[str]) -> tuple[str, ...]:
        """The Regions given, best first; those that never failed keep their order behind the own Region."""
        with self._lock:
            oldest = self._clock() - self._cool_down
            cooling = {region: at for region, at in self._failed_at.items() if at > oldest}
            self._failed_at = cooling
        return tuple(
            sorted(regions, key=lambda region: (cooling.get(region, 0.0), region != self._own))
        )

    def failed(self, region: str) -> None:
        """KMS of this Region was unavailable just now."""
        with self._lock:
            self._failed_at[region] = self._clock()

    def answered(self, region: str) -> None:
        """KMS of this Region answered: it has recovered."""
        if region in self._failed_at:
            with self._lock:
                self._failed_at.pop(region, None)
