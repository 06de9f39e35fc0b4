"""Users, roles and access keys of the accounts, as IAM has them; values that never change, as those of `keys`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

USER = "user"
ROLE = "role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A user or a role. `policies` are its inline policies by name, `trust` says who may assume a role."""

    kind: str
    name: str
    account: str
    unique_id: str
    path: str = "/"
    trust: str = ""
    policies: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    longest_session: int = 3600  # seconds
    created_at: float = 0.0

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:iam::{self.account}:{self.kind}{self.path}{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A long-term access key of a user."""

    id: str
    secret: str = field(repr=False)
    account: str
    user: str
    created_at: float
    is_active: bool = True
