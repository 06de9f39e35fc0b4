"""What is asked for, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from tenants.models.base import new_id
from tenants.rds.global_cluster import GlobalDatabase, Member
from tenants.services.failover.fleet import Fleet
from tenants.services.failover.journal import Journal
from tenants.services.failover.readers import Reading

DEFAULT_SAMPLE: Final = 50


class Kind(StrEnum):
    """Planned and without loss, or because the writer is lost."""

    SWITCHOVER = "switchover"
    FAILOVER = "failover"


class Outcome(StrEnum):
    """`ready`: a rehearsal found nothing against it. `refused`: nothing was changed. `unproven`: the writer has moved,
    and not everything that was to be proven could be."""

    READY = "ready"
    DONE = "done"
    REFUSED = "refused"
    UNPROVEN = "unproven"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The move that an operator asks for. `sample` is of how many tenants the keys are tried and proven, None for all;
    `patience` is in seconds."""

    kind: Kind
    target: str
    operator: str
    rehearse: bool = False
    force: bool = False
    sample: int | None = DEFAULT_SAMPLE
    patience: float = 900.0


@dataclass(slots=True)
class Move:
    """The move as it goes on."""

    wanted: Wanted
    journal: Journal
    started_at: datetime
    id: UUID = field(default_factory=new_id)
    source: str = ""  # the Region of the writer before
    cluster: GlobalDatabase | None = None
    readings: dict[str, Reading | None] = field(default_factory=dict)
    writer_before: Reading | None = None
    fleet: Fleet = field(default_factory=Fleet)
    keys_tried: int = 0
    epoch: int = 0
    loss: dict[str, Any] = field(default_factory=dict)
    recovery: dict[str, int] = field(default_factory=dict)
    proof: dict[str, int] = field(default_factory=dict)
    outcome: Outcome | None = None

    @property
    def member(self) -> Member:
        """The target's cluster."""
        found = self.cluster.find(self.wanted.target) if self.cluster else None
        if found is None:
            raise RuntimeError("The target was not looked at yet.")
        return found
