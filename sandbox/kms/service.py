"""What every operation works with: the store, the trail and the settings of this stand-in."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox.kms.store import Store
from sandbox.kms.trail import Trail


@dataclass(slots=True, kw_only=True)
class Service:
    """`transition_seconds`: how long a replica stays Creating, and a changed primary Updating. `down`: dark Regions."""

    regions: tuple[str, ...]
    store: Store
    trail: Trail
    transition_seconds: float = 2.0
    down: set[str] = field(default_factory=set)
