"""Who asks: a user, a role session or the account's root, with the ARNs that a policy may name it by."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SESSION = re.compile(
    r"arn:aws:sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/(?P<session>.+)"
)
_USER = re.compile(r"arn:aws:iam::(?P<account>\d{12}):user/(?:.*/)?(?P<name>[^/]+)")
_ROOT = re.compile(r"arn:aws:iam::(?P<account>\d{12}):root")


@dataclass(frozen=True, slots=True)
class Caller:
    """`arn` is the caller's own; `issuer` is the role behind a session, else the same as `arn`."""

    arn: str
    account: str
    issuer: str
    name: str
    kind: str  # AssumedRole, IAMUser or Root: CloudTrail's words
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def root_arn(self) -> str:
        """The account principal of the caller's account."""
        return f"arn:aws:iam::{self.account}:root"

    @classmethod
    def parse(cls, arn: str, *, issuer: str = "", tags: dict[str, str] | None = None) -> Caller:
        """From the ARN alone. `issuer` is needed only for a role with a path, which session ARNs leave out.

        Raises `ValueError` for an ARN of another kind: a role itself, a group or a service never calls.
        """
        tags = tags or {}
        if found := _SESSION.fullmatch(arn):
            role = issuer or f"arn:aws:iam::{found['account']}:role/{found['role']}"
            return cls(arn, found["account"], role, found["session"], "AssumedRole", tags)
        if found := _USER.fullmatch(arn):
            return cls(arn, found["account"], arn, found["name"], "IAMUser", tags)
        if found := _ROOT.fullmatch(arn):
            return cls(arn, found["account"], arn, "root", "Root", tags)
        raise ValueError(f"{arn!r} is not the ARN of a user, a role session or an account root.")
