"""In which order Regions are asked: the own one first, and one that just failed last, until it has cooled down."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import TypeVar

from crypto.conf import CryptoSettings
from crypto.errors import KeyNotReady, KeyUnavailable

T = TypeVar("T")


class RegionOrder:
    """Remembers which Regions' KMS failed lately. Small and shared by all tenants of the process.

    While a Region cools down it is still asked, last: where the others fail as well, it is the last hope.
    """

    def __init__(self, settings: CryptoSettings, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._failed_at: dict[str, float] = {}  # each use is one atomic step, so there is no lock

    def ask(self, regions: Iterable[str], call: Callable[[str], T]) -> T:
        """The first answer. Only `KeyUnavailable` goes on to the next Region; the last one's is raised."""
        unavailable = KeyUnavailable("No Region has a usable key.")
        until = self._monotonic() + self._settings.regions_seconds
        for region in self.order(regions):
            try:
                answer = call(region)
            except KeyUnavailable as error:
                unavailable = error
                # One tenant's key that is not ready says nothing of the Region.
                if not isinstance(error, KeyNotReady):
                    self._failed_at[region] = self._monotonic()
                if self._monotonic() >= until:
                    break
            else:
                self._failed_at.pop(region, None)
                return answer
        raise unavailable

    def order(self, regions: Iterable[str]) -> list[str]:
        """The Regions given, best first; those that never failed keep their order behind the own Region."""
        oldest = self._monotonic() - self._settings.region_cool_down_seconds

        def rank(region: str) -> tuple[float, bool]:
            failed_at = self._failed_at.get(region, -inf)
            return failed_at if failed_at > oldest else -inf, region != self._settings.region

        return sorted(regions, key=rank)
