"""A grant: some operations with one key in one Region, for one principal, under a constraint, besides all policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """`account` owns the key, `issuer` is the account in which the grant was made. Constraints are None if absent."""

    id: str
    key_id: str
    account: str
    region: str
    grantee: str
    retiring: str
    operations: tuple[str, ...]
    equals: Mapping[str, str] | None
    subset: Mapping[str, str] | None
    name: str
    issuer: str
    created_at: float
    active_at: float  # from then on it needs no token: before, not every part of KMS knows it

    @property
    def is_constrained(self) -> bool:
        """Whether it asks anything of the encryption context."""
        return self.equals is not None or self.subset is not None

    def admits(self, context: Mapping[str, str]) -> bool:
        """Whether the constraints hold in this encryption context."""
        if self.equals is not None and dict(context) != dict(self.equals):
            return False
        return self.subset is None or self.subset.items() <= context.items()

    def covers(self, child: Grant) -> bool:
        """Whether `child` allows no more: fewer operations or as many, constraints as strict or stricter."""
        if not set(child.operations) <= set(self.operations):
            return False
        if self.equals is not None and child.equals != self.equals:
            return False
        demanded = {**(child.subset or {}), **(child.equals or {})}
        return self.subset is None or self.subset.items() <= demanded.items()
