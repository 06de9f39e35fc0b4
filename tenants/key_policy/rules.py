"""What a key policy is made of: the rules of the Regions, and whom it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

Document: TypeAlias = dict[str, Any]
Statement: TypeAlias = dict[str, Any]

EVERY_CLASS: Final = "*"


class Rule(Protocol):
    """What one Region may do."""

    @property
    def region(self) -> str: ...
    @property
    def may_encrypt(self) -> bool: ...
    @property
    def may_decrypt(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Principals:
    """Who a key policy names. `use_role` holds `{region}`: each Region's gateway has a role of its own."""

    account_root: str
    use_role: str
    admin_role: str
    audit_role: str

    def use_role_of(self, region: str) -> str:
        """The role of that Region's gateway processes."""
        return self.use_role.replace("{region}", region)


def opens(rule: Rule, classification: str) -> bool:
    """Whether the rule lets its Region decrypt that classification."""
    return EVERY_CLASS in rule.may_decrypt or classification in rule.may_decrypt


def shared_classes(one: Rule, other: Rule) -> tuple[str, ...]:
    """What both Regions may decrypt, sorted: `("*",)` for everything, `()` for nothing."""
    classes = {name for name in one.may_decrypt if opens(other, name)} | {
        name for name in other.may_decrypt if opens(one, name)
    }
    return (EVERY_CLASS,) if EVERY_CLASS in classes else tuple(sorted(classes))


def widens(before: Rule, after: Rule) -> bool:
    """Whether the change of a Region's rule lets it do more and takes nothing away."""
    keeps = after.may_encrypt >= before.may_encrypt and all(
        opens(after, name) for name in before.may_decrypt
    )
    return keeps and (after.may_encrypt, {*after.may_decrypt}) != (
        before.may_encrypt,
        {*before.may_decrypt},
    )
