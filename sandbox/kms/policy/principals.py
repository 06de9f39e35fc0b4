"""The `Principal` and `NotPrincipal` elements: whom a statement of a key policy names, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sandbox.kms.policy.caller import Caller

_ARN = re.compile(
    r"arn:aws:(?:iam::\d{12}:(?:root|user/[^*?]+|role/[^*?]+)"
    r"|sts::\d{12}:(?:assumed-role/[^*?/]+/[^*?]+|federated-user/[^*?]+))"
)
_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")


class Named(IntEnum):
    """How a statement names the caller, from the weakest to the strongest."""

    NOT = 0
    ACCOUNT = 1  # through the account principal, which delegates to the account's IAM policies
    DIRECT = 2
    SESSION = 3  # this one session of a role


class InvalidPrincipal(ValueError):
    """The element holds something that KMS does not take for a principal."""


@dataclass(frozen=True, slots=True)
class Principals:
    """A parsed element. `aws` holds ARNs and `*`; services and federated users never call here."""

    aws: frozenset[str]
    excluding: bool

    def naming(self, caller: Caller, *, deny: bool) -> Named:
        """How this element names `caller` in a statement that denies, or allows."""
        if self.excluding:
            return self._naming_all_but(caller, deny=deny)
        if caller.arn in self.aws:
            return Named.DIRECT if caller.arn == caller.issuer else Named.SESSION
        if "*" in self.aws or caller.issuer in self.aws:
            return Named.DIRECT
        if caller.root_arn in self.aws:
            return Named.ACCOUNT
        return Named.NOT

    def _naming_all_but(self, caller: Caller, *, deny: bool) -> Named:
        chain = {caller.arn, caller.issuer, caller.root_arn}
        # A Deny spares only those whose session, role and account are all listed (IAM User Guide, "NotPrincipal").
        spared = chain <= self.aws if deny else bool(chain & self.aws)
        return Named.NOT if spared or "*" in self.aws else Named.DIRECT


def parse_principals(element: Any, *, excluding: bool) -> Principals:
    """From the element's JSON value; raises `InvalidPrincipal`."""
    if element == "*":
        return Principals(frozenset("*"), excluding)
    if not isinstance(element, Mapping) or not element:
        raise InvalidPrincipal("a principal is * or an object")
    aws: set[str] = set()
    for kind, given in element.items():
        values = [given] if isinstance(given, str) else given
        if kind not in _KINDS or not isinstance(values, list) or not values:
            raise InvalidPrincipal(f"{kind} is no kind of principal")
        if kind == "AWS":
            aws.update(_aws_principal(value) for value in values)
    return Principals(frozenset(aws), excluding)


def _aws_principal(value: Any) -> str:
    if value == "*":
        return "*"
    if isinstance(value, str) and re.fullmatch(r"\d{12}", value):
        return f"arn:aws:iam::{value}:root"
    if isinstance(value, str) and _ARN.fullmatch(value):
        return value
    raise InvalidPrincipal("the policy contains a statement with one or more invalid principals")
