"""What the pages of the fleet say: how far each Region's reader is behind, and whose keys drift."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from tenants.selectors import TenantView
from tenants.selectors.drift import RegionalDrift, list_drift
from tenants.selectors.lag import RegionLag, list_region_lag
from tenants.selectors.writer import get_writer

# Where the deployment names no bound of its own.
_BEHIND_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class RegionLine:
    """One Region: what was measured there, None where nothing ever was, and whether the writer is there."""

    region: str
    lag: RegionLag | None
    is_writer: bool

    @property
    def state(self) -> str:
        """The word for it."""
        if self.lag is None:
            return "unknown"
        bound = float(settings.GATEWAY_READER_BEHIND_SECONDS or _BEHIND_SECONDS)
        if self.lag.measured_seconds_ago > bound:
            return "silent"
        return "behind" if self.lag.is_beyond(bound) else "current"


@dataclass(frozen=True, slots=True)
class Drifting:
    """A tenant with keys that drift."""

    tenant: TenantView
    keys: tuple[RegionalDrift, ...]


def region_lines() -> list[RegionLine]:
    """Every Region of the deployment and every one that has a worker, by name."""
    lags = {lag.region: lag for lag in list_region_lag()}
    writer = get_writer().region
    names = sorted({*settings.GATEWAY_REGIONS, *lags})
    return [RegionLine(name, lags.get(name), name == writer) for name in names]


def drifting(tenants: Iterable[TenantView]) -> list[Drifting]:
    """Those of these tenants of whom anything drifts."""
    looked = (
        Drifting(tenant, tuple(key for key in list_drift(tenant.id) if key.drift))
        for tenant in tenants
    )
    return [each for each in looked if each.keys]
