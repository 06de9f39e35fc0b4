"""One authenticated request on its way through an operation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.kms.identities import Identity
from sandbox.kms.keys import Alias, RegionalKey


@dataclass(slots=True, kw_only=True)
class Call:
    """`touched` collects the keys and aliases that the request turned out to concern, for the trail."""

    identity: Identity
    region: str
    parameters: dict[str, Any]
    now: float
    request_id: str
    touched: list[RegionalKey | Alias] = field(default_factory=list)
    material_id: str = ""

    @property
    def account(self) -> str:
        """The caller's account."""
        return self.identity.caller.account
