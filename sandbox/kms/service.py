"""What every operation works with: the store, the trail and the settings of this stand-in."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.kms.directory import Directory
from sandbox.kms.errors import Refusal
from sandbox.kms.events import own_event
from sandbox.kms.keys import RegionalKey
from sandbox.kms.quotas import Quotas
from sandbox.kms.settling import settle
from sandbox.kms.store import Store
from sandbox.kms.trail import Trail

MAX_KEYS = 100_000


@dataclass(slots=True, kw_only=True)
class Service:
    """`transition_seconds`: how long a replica stays Creating, and a changed primary Updating. `down`: dark Regions.

    `max_keys`: of an account in a Region, in any key state (AWS KMS Developer Guide, "Resource quotas").
    """

    regions: tuple[str, ...]
    store: Store
    directory: Directory
    trail: Trail
    quotas: Quotas
    transition_seconds: float = 2.0
    max_keys: int = MAX_KEYS
    down: set[str] = field(default_factory=set)

    def require_room(self, region: str, account: str) -> None:
        """Refuse where the account has as many keys in that Region as it may have; replicas count as any key."""
        if self.store.has_keys(region, account, self.max_keys):
            message = f"The account has {self.max_keys} keys in {region} already."
            raise Refusal("LimitExceededException", message)

    def settle(self, now: float) -> None:
        """Do what time has done to keys, and record it."""
        for happening in settle(self.store, now):
            self.record(happening.name, happening.key, happening.at)

    def record(self, name: str, key: RegionalKey, moment: float) -> None:
        """Enter in the trail of the key's Region what KMS did on its own, such as RotateKey."""
        self.trail.record(key.region, own_event(name, key, moment))
