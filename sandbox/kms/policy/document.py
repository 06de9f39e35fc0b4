"""A policy document, checked and compiled once: of a key, of an identity, or the trust of a role."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sandbox.kms.policy.conditions import Condition, compile_condition
from sandbox.kms.policy.operators import UnknownOperator
from sandbox.kms.policy.patterns import Context, Pattern, compile_pattern
from sandbox.kms.policy.principals import InvalidPrincipal, Principals, parse_principals

_VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip


class MalformedPolicy(ValueError):
    """The text is not a policy of this kind."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An element and its `Not` twin: the value matches one of the patterns, or none of them."""

    patterns: tuple[Pattern, ...]
    excluding: bool

    def admits(self, value: str, context: Context) -> bool:
        """Whether the element covers the value."""
        return any(pattern(value, context) for pattern in self.patterns) is not self.excluding


@dataclass(frozen=True, slots=True)
class Statement:
    """`principals` is None in an identity policy, which speaks of the one whom it is attached to."""

    denies: bool
    principals: Principals | None
    actions: Choice
    resources: Choice
    conditions: tuple[Condition, ...]


Policy = tuple[Statement, ...]


@lru_cache(maxsize=4096)
def parse_key_policy(text: str) -> Policy:
    """A key policy: each statement names principals. Raises `MalformedPolicy`."""
    return _parse(text, _Kind(principals=True, resources=True))


@lru_cache(maxsize=4096)
def parse_identity_policy(text: str) -> Policy:
    """An identity policy: no statement names a principal. Raises `MalformedPolicy`."""
    return _parse(text, _Kind(principals=False, resources=True))


@lru_cache(maxsize=4096)
def parse_trust_policy(text: str) -> Policy:
    """The policy of who may assume a role: principals, and no resource but the role. Raises `MalformedPolicy`."""
    return _parse(text, _Kind(principals=True, resources=False))


@dataclass(frozen=True, slots=True)
class _Kind:
    """Which elements the statements of a kind of policy have; `variables`: whether `${...}` stands for something."""

    principals: bool
    resources: bool
    variables: bool = True

    @property
    def is_of_key(self) -> bool:
        """Whether it is a key policy: identity policies name no principal, trust policies no resource."""
        return self.principals and self.resources


def _parse(text: str, kind: _Kind) -> Policy:
    try:
        document = json.loads(text, object_pairs_hook=_distinct)
    except (json.JSONDecodeError, RecursionError) as error:
        raise MalformedPolicy("the policy is not JSON") from error
    if not isinstance(document, dict) or not document.keys() <= {"Version", "Id", "Statement"}:
        raise MalformedPolicy("a policy is an object of Version, Id and Statement")
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise MalformedPolicy("the policy's Version is unknown")
    statements = _listed(document.get("Statement"))
    if not statements:
        raise MalformedPolicy("a policy needs a statement")
    # The older version takes ${...} literally.
    kind = replace(kind, variables=version == "2012-10-17")
    return tuple(_statement(item, kind) for item in statements)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members all differ: of two of one name, readers would disagree on which counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedPolicy("a member of the policy is there twice")
    return found


def _statement(item: Any, kind: _Kind) -> Statement:
    if not isinstance(item, dict) or not item.keys() <= _ELEMENTS:
        raise MalformedPolicy("a statement is an object of the elements that IAM knows")
    if item.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicy("a statement's Effect is Allow or Deny")
    try:
        return Statement(
            denies=item["Effect"] == "Deny",
            principals=_principals(item, kind.principals),
            actions=_choice(item, "Action", ignore_case=True, variables=False),
            resources=_resources(item, kind),
            conditions=_conditions(item.get("Condition", {}), kind),
        )
    except (InvalidPrincipal, UnknownOperator) as error:
        raise MalformedPolicy(str(error)) from error


def _principals(item: dict[str, Any], wanted: bool) -> Principals | None:
    given = [name for name in ("Principal", "NotPrincipal") if name in item]
    if len(given) != int(wanted):
        raise MalformedPolicy("a statement of a key policy names principals once, others never")
    if not given:
        return None
    return parse_principals(item[given[0]], excluding=given[0] == "NotPrincipal")


def _resources(item: dict[str, Any], kind: _Kind) -> Choice:
    if kind.resources:
        return _choice(item, "Resource", ignore_case=False, variables=kind.variables)
    if "Resource" in item or "NotResource" in item:
        raise MalformedPolicy("a trust policy has no resource")
    return Choice((compile_pattern("*"),), False)


def _choice(item: dict[str, Any], element: str, *, ignore_case: bool, variables: bool) -> Choice:
    given = [name for name in (element, f"Not{element}") if name in item]
    if len(given) != 1:
        raise MalformedPolicy(f"a statement has either {element} or Not{element}")
    values = _listed(item[given[0]])
    if not values or not all(isinstance(value, str) and value for value in values):
        raise MalformedPolicy(f"{given[0]} is a string or a list of strings")
    if element == "Action" and not all(value == "*" or ":" in value for value in values):
        raise MalformedPolicy("an action has the form service:name")
    patterns = tuple(
        compile_pattern(value, ignore_case=ignore_case, variables=variables) for value in values
    )
    return Choice(patterns, given[0] != element)


def _conditions(block: Any, kind: _Kind) -> tuple[Condition, ...]:
    if not isinstance(block, dict) or not all(isinstance(keys, dict) for keys in block.values()):
        raise MalformedPolicy("Condition is an object of operators, each an object of keys")
    named = [(name, key, values) for name, keys in block.items() for key, values in keys.items()]
    if kind.is_of_key and any(_is_overly_permissive(name, key) for name, key, _ in named):
        raise MalformedPolicy(
            "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key matches "
            "requests without the specified encryption context or tag"
        )
    return tuple(
        compile_condition(name, key, _condition_values(values), variables=kind.variables)
        for name, key, values in named
    )


def _is_overly_permissive(name: str, key: str) -> bool:
    """Such a condition holds when the key is absent, which its author will not have meant (AWS KMS Developer Guide)."""
    single_valued = ("kms:encryptioncontext:", "aws:requesttag/")
    return name.startswith("ForAllValues:") and key.lower().startswith(single_valued)


def _condition_values(given: Any) -> tuple[str, ...]:
    values = _listed(given)
    if not values or not all(isinstance(value, str | bool | int | float) for value in values):
        raise MalformedPolicy("a condition compares with strings, numbers or booleans")
    return tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
