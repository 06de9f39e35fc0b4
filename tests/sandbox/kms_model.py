"""A model of key states, written from the AWS documentation and apart from the stand-in, to compare it with.

It knows multi-Region keys, imported material, deletion and time; each call says which error it must give, or none.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DAY = 86_400
TRANSITION = 600  # seconds that a replica is Creating, and a changed primary Updating

OK = ""
NOT_FOUND = "NotFoundException"
DISABLED = "DisabledException"
INVALID = "KMSInvalidStateException"
UNSUPPORTED = "UnsupportedOperationException"


@dataclass
class ModelRegion:
    """One key in one Region."""

    ready_at: int
    has_material: bool
    enabled: bool = True
    updating_until: int = 0
    window: int | None = None  # days, once deletion is scheduled
    deletion_at: int | None = None

    def state(self, now: int) -> str:
        if self.window is not None:
            return "PendingReplicaDeletion" if self.deletion_at is None else "PendingDeletion"
        if now < self.ready_at:
            return "Creating"
        if not self.has_material:
            return "PendingImport"
        if now < self.updating_until:
            return "Updating"
        return "Enabled" if self.enabled else "Disabled"


@dataclass
class ModelKey:
    """A key with its relatives, in a time of its own that only `advance` moves."""

    multi_region: bool
    external: bool
    primary: str
    regions: dict[str, ModelRegion] = field(default_factory=dict)
    now: int = 0

    def __post_init__(self) -> None:
        self.regions[self.primary] = ModelRegion(ready_at=0, has_material=not self.external)

    def state(self, region: str) -> str | None:
        """The key state there; None where there is no key."""
        found = self.regions.get(region)
        return found.state(self.now) if found else None

    def advance(self, seconds: int) -> None:
        """Let time pass, and with it delete what is due."""
        self.now += seconds
        while due := [
            (item.deletion_at, region)
            for region, item in self.regions.items()
            if item.deletion_at is not None and item.deletion_at <= self.now
        ]:
            moment, region = min(due)
            del self.regions[region]
            if len(self.regions) == 1 and self.primary in self.regions:
                last = self.regions[self.primary]
                if last.window is not None and last.deletion_at is None:
                    last.deletion_at = moment + last.window * DAY

    def use(self, region: str) -> str:
        return self._admitted(region, "Enabled", "Updating")

    def switch(self, region: str, enabled: bool) -> str:
        error = self._admitted(region, "Enabled", "Disabled")
        if not error:
            self.regions[region].enabled = enabled
        return error

    def schedule_deletion(self, region: str, days: int) -> str:
        error = self._admitted(
            region, "Enabled", "Disabled", "Creating", "Updating", "PendingImport"
        )
        if not error:
            waits = region == self.primary and len(self.regions) > 1
            self.regions[region].window = days
            self.regions[region].deletion_at = None if waits else self.now + days * DAY
        return error

    def cancel_deletion(self, region: str) -> str:
        state = self.state(region)
        if state is None:
            return NOT_FOUND
        if state not in ("PendingDeletion", "PendingReplicaDeletion"):
            return INVALID
        item = self.regions[region]
        item.window, item.deletion_at, item.enabled = None, None, False
        return OK

    def replicate(self, region: str, to: str) -> str:
        error = self._primary(region) or self._admitted(region, "Enabled")
        if error:
            return error
        if to in self.regions:
            return "AlreadyExistsException"
        self.regions[to] = ModelRegion(
            ready_at=self.now + TRANSITION, has_material=not self.external
        )
        return OK

    def update_primary(self, region: str, to: str) -> str:
        error = self._primary(region)
        if error:
            return error
        if to == region:
            return "ValidationException"
        if to not in self.regions:
            return NOT_FOUND
        error = self._admitted(region, "Enabled") or self._admitted(to, "Enabled")
        if not error:
            self.primary = to
            for item in (self.regions[region], self.regions[to]):
                item.updating_until = self.now + TRANSITION
        return error

    def import_material(self, region: str) -> str:
        state = self.state(region)
        if state is None:
            return NOT_FOUND
        if not self.external:
            return UNSUPPORTED
        if state not in ("PendingImport", "Enabled", "Disabled"):
            return INVALID
        item = self.regions[region]
        item.enabled = item.enabled or not item.has_material
        item.has_material = True
        return OK

    def delete_material(self, region: str) -> str:
        if region not in self.regions:
            return NOT_FOUND
        if not self.external:
            return UNSUPPORTED
        self.regions[region].has_material = False
        return OK

    def _primary(self, region: str) -> str:
        if region not in self.regions:
            return NOT_FOUND
        return OK if self.multi_region and region == self.primary else UNSUPPORTED

    def _admitted(self, region: str, *states: str) -> str:
        state = self.state(region)
        if state is None:
            return NOT_FOUND
        if state in states:
            return OK
        return DISABLED if state == "Disabled" else INVALID
