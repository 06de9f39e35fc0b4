"""Who does something: it stands in every audit event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ActorKind = Literal["operator", "member", "api_key", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is the id of the operator key, user or API key; for the system, the Region whose worker acts."""

    kind: ActorKind
    id: str
