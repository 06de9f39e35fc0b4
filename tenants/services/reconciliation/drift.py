"""Drift: where the truth is not what was expected. Pure.

A drift is `repairable` by a machine where putting it right takes nothing away that somebody may have wanted: names,
tags, rotation, and a key policy that only allows more than it should. A disabled key is never enabled by a machine, nor
a policy opened that somebody has closed: either may be an emergency stop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from tenants.key_policy import compare, difference, fingerprint
from tenants.services.reconciliation.expected import Expected, fingerprint_of
from tenants.services.reconciliation.truth import Truth

# KMS is at it: it will be Enabled in a moment, or was just now.
_PASSING: Final = ("Creating", "Updating")
_NOTHING: Final = "none"


class Severity(StrEnum):
    """CRITICAL: somebody may do more than they should, or the key is not as safe as it was. HIGH: somebody may do
    less, or is led to another key. LOW: nothing works differently."""

    CRITICAL = "critical"
    HIGH = "high"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not as desired: what it is, what it should be, and what was found. `statements` are those of
    the key policy that differ."""

    what: str
    desired: str
    found: str
    severity: Severity
    repairable: bool = False
    statements: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As it stands in the table."""
        return asdict(self) | {"statements": [dict(each) for each in self.statements]}


def compare_key(expected: Expected, truth: Truth) -> list[Drift]:
    """Everything that is not as desired. Nothing is said of what could not be read but that it could not."""
    return [
        *_access(truth),
        *_key(expected, truth),
        *_policy(expected, truth),
        *_alias(expected, truth),
        *_tags(expected, truth),
        *_rotation(expected, truth),
        *_parameter(expected, truth),
    ]


def _access(truth: Truth) -> Iterator[Drift]:
    if truth.denied:
        refused = f"refused: {', '.join(truth.denied)}"
        yield Drift("access", "the admin role reads the key", refused, Severity.CRITICAL)


def _key(expected: Expected, truth: Truth) -> Iterator[Drift]:
    key = truth.key
    if key is None:
        if "kms:DescribeKey" not in truth.denied:
            yield Drift("key", str(expected.arn), _NOTHING, Severity.CRITICAL)
        return
    if key.state not in ("Enabled", *_PASSING):
        date = f", deleted on {key.deletion_date:%Y-%m-%d}" if key.deletion_date else ""
        yield Drift("state", "Enabled", f"{key.state}{date}", Severity.CRITICAL)
    if key.primary_region != expected.primary_region:
        found = f"primary in {key.primary_region or _NOTHING}"
        yield Drift("role", f"primary in {expected.primary_region}", found, Severity.HIGH)
    regions = tuple(sorted({key.primary_region, *key.replica_regions}))
    if expected.is_primary and set(regions) - set(expected.regions):
        # What is missing of them, that Region's own comparison says.
        yield Drift("replicas", ", ".join(expected.regions), ", ".join(regions), Severity.CRITICAL)


def _policy(expected: Expected, truth: Truth) -> Iterator[Drift]:
    if truth.policy is None or expected.policy is None:
        return
    found = fingerprint(truth.policy)
    if found == fingerprint_of(expected):
        return
    statements = compare(expected.policy, truth.policy)
    more, less = (
        any(getattr(each, name) for each in statements) for name in ("allows_more", "allows_less")
    )
    yield Drift(
        what="policy",
        desired=fingerprint_of(expected),
        found=f"{found}: {' '.join(difference(expected.policy, truth.policy))}",
        severity=Severity.CRITICAL if more else Severity.HIGH if less else Severity.LOW,
        repairable=not less,
        statements=tuple(asdict(each) | {"text": str(each)} for each in statements),
    )


def _alias(expected: Expected, truth: Truth) -> Iterator[Drift]:
    if truth.key is None or "kms:ListAliases" in truth.denied:
        return
    if expected.alias not in truth.aliases:
        found = str(truth.alias_of) if truth.alias_of else _NOTHING
        desired = f"{expected.alias} of {expected.arn}"
        severity = Severity.HIGH
        yield Drift("alias", desired, found, severity, repairable=True)


def _tags(expected: Expected, truth: Truth) -> Iterator[Drift]:
    if truth.key is None or "kms:ListResourceTags" in truth.denied:
        return
    wrong = {name: truth.tags.get(name) for name in expected.tags}
    wrong = {name: value for name, value in wrong.items() if value != expected.tags[name]}
    if wrong:
        # A tag of another tenant leads reports, and who cleans up by tags, to the wrong owner.
        severity = Severity.HIGH if any(wrong.values()) else Severity.LOW
        desired = {name: expected.tags[name] for name in wrong}
        yield Drift("tags", _listed(desired), _listed(wrong), severity, repairable=True)


def _rotation(expected: Expected, truth: Truth) -> Iterator[Drift]:
    if truth.rotation is None or expected.rotation_days is None:
        return
    found = truth.rotation.period_days if truth.rotation.enabled else 0
    if found != expected.rotation_days:
        yield Drift(
            "rotation",
            _days(expected.rotation_days),
            _days(found),
            Severity.HIGH if expected.rotation_days else Severity.LOW,
            repairable=True,
        )


def _parameter(expected: Expected, truth: Truth) -> Iterator[Drift]:
    if "ssm:GetParameter" in truth.denied or truth.parameter == str(expected.arn):
        return
    desired = f"{expected.parameter} = {expected.arn}"
    found = _NOTHING if truth.parameter is None else truth.parameter[:200]
    yield Drift("parameter", desired, found, Severity.HIGH, repairable=True)


def _listed(tags: Mapping[str, str | None]) -> str:
    return ", ".join(
        f"{name}={_NOTHING if value is None else value}" for name, value in sorted(tags.items())
    )


def _days(days: int) -> str:
    return f"each {days} days" if days else "not by itself"
