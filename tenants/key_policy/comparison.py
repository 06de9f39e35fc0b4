"""Whether an applied key policy is the desired one, and where not: which statement, which principals, actions and
conditions, and whether it lets anybody do more or less than it should.

A statement is compared by its Sid. Whether a change allows more is judged on the safe side: where it cannot be told
apart, a change allows both more and less.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final, TypeAlias

from tenants.key_policy.explanation import describe

_Path: TypeAlias = tuple[str, ...]
_Values: TypeAlias = Mapping[_Path, frozenset[str]]
_POSITIVE: Final = ("StringEquals", "StringLike", "ArnEquals", "ArnLike")
_NEGATED: Final = ("StringNotEquals", "StringNotLike", "ArnNotEquals", "ArnNotLike")


class Change(StrEnum):
    """How an applied statement differs from the desired one."""

    MISSING = "missing"
    SURPLUS = "surplus"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class ElementDifference:
    """One element of a changed statement, such as `Action`: the values that it lacks and those that it should not
    have."""

    element: str
    missing: tuple[str, ...]
    surplus: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"lacks {', '.join(self.missing)}"] if self.missing else []
        parts += [f"has {', '.join(self.surplus)}"] if self.surplus else []
        return f"{self.element} {' and '.join(parts)}"


@dataclass(frozen=True, slots=True)
class StatementDifference:
    """One statement that is not as desired. `says` is what the applied one means, or the desired one where it is
    missing. `allows_more` and `allows_less` compare the applied policy with the desired one."""

    sid: str
    change: Change
    says: str
    elements: tuple[ElementDifference, ...]
    allows_more: bool
    allows_less: bool

    def __str__(self) -> str:
        if self.change is Change.MISSING:
            return f"{self.sid} is missing."
        if self.change is Change.SURPLUS:
            return f"{self.sid} should not be there: {self.says}"
        return f"{self.sid} was changed: {'; '.join(map(str, self.elements))}."


def fingerprint(document: Mapping[str, Any]) -> str:
    """SHA-256 in hex over the normalised document: equal for documents that differ in the order of lists and in
    writing one string as a list of one, which KMS and people change at will."""
    return hashlib.sha256(json.dumps(_normal(document), sort_keys=True).encode()).hexdigest()


def difference(desired: Mapping[str, Any], applied: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with the applied document, a sentence each; empty when the fingerprints are equal."""
    parts = tuple(str(each) for each in compare(desired, applied))
    if not parts and fingerprint(desired) != fingerprint(applied):
        return ("The statements are equal, but something around them was changed.",)
    return parts


def compare(
    desired: Mapping[str, Any], applied: Mapping[str, Any]
) -> tuple[StatementDifference, ...]:
    """The statements that differ: those that are missing, those that should not be there, those that were changed.

    Empty does not mean that the documents are equal: `Version` and `Id` are no statements. Fingerprints tell.
    """
    wanted, found = list(_statements(desired)), list(_statements(applied))
    _take_pairs(wanted, found, lambda one, other: one == other)
    changed = _take_pairs(wanted, found, lambda one, other: one[0] == other[0])
    renamed = _take_pairs(wanted, found, _is_renamed)
    return (
        *(_alone(Change.MISSING, sid, values, one) for sid, values, one in wanted),
        *(_alone(Change.SURPLUS, sid, values, one) for sid, values, one in found),
        *(_changed(one, other) for one, other in [*changed, *renamed]),
    )


_Read: TypeAlias = tuple[str, _Values, Mapping[str, Any]]


def _statements(document: Mapping[str, Any]) -> Iterator[_Read]:
    """Sid, values and text of each. Two of one Sid are two statements."""
    given = document.get("Statement", [])
    for number, one in enumerate(given if isinstance(given, list) else [given], 1):
        statement = one if isinstance(one, Mapping) else {"Statement": one}
        yield str(statement.get("Sid", f"Statement {number}")), dict(_flat(statement)), statement


def _flat(value: Any, path: _Path = ()) -> Iterator[tuple[_Path, frozenset[str]]]:
    if path == ("Principal",) and value == "*":
        value = {"AWS": "*"}  # the same to IAM
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, (*path, str(name)))
    else:
        items = value if isinstance(value, list) else [value]
        yield path, frozenset(i if isinstance(i, str) else json.dumps(i) for i in items)


def _take_pairs(wanted: list[_Read], found: list[_Read], match: Any) -> list[tuple[_Read, _Read]]:
    """Take what matches out of both lists."""
    pairs = []
    for one in list(wanted):
        other = next((each for each in found if match(one[:2], each[:2])), None)
        if other is not None:
            wanted.remove(one)
            found.remove(other)
            pairs.append((one, other))
    return pairs


def _is_renamed(one: tuple[str, _Values], other: tuple[str, _Values]) -> bool:
    bodies = [
        {path: values for path, values in each[1].items() if path != ("Sid",)}
        for each in (one, other)
    ]
    return bodies[0] == bodies[1]


def _alone(
    change: Change, sid: str, values: _Values, statement: Mapping[str, Any]
) -> StatementDifference:
    denies = _denies(values)
    more = denies if change is Change.MISSING else not denies
    return StatementDifference(sid, change, describe(statement), (), more, not more)


def _changed(desired: _Read, applied: _Read) -> StatementDifference:
    sid, wanted, _ = desired
    _, found, statement = applied
    elements, more, less = [], False, False
    for path in dict.fromkeys([*wanted, *found]):
        missing, surplus = _sides(path, wanted, found)
        if not (missing or surplus or (path in wanted) != (path in found)):
            continue
        elements.append(
            ElementDifference(" ".join(path), tuple(sorted(missing)), tuple(sorted(surplus)))
        )
        wider, narrower = _effect_of(path, wanted, found)
        more, less = more or wider, less or narrower
    if _denies(wanted):
        more, less = less, more
    return StatementDifference(
        sid, Change.CHANGED, describe(statement), tuple(elements), more, less
    )


def _sides(path: _Path, wanted: _Values, found: _Values) -> tuple[frozenset[str], frozenset[str]]:
    """The values that the applied statement lacks there, and those that it should not have."""
    nothing: frozenset[str] = frozenset()
    desired, applied = wanted.get(path, nothing), found.get(path, nothing)
    return desired - applied, applied - desired


def _effect_of(path: _Path, wanted: _Values, found: _Values) -> tuple[bool, bool]:
    """Whether the statement covers more requests by this change, and whether it covers fewer."""
    missing, surplus = _sides(path, wanted, found)
    match path[0]:
        case "Sid":
            return False, False
        case "Principal":
            return bool(surplus), bool(missing) and "*" not in found.get(path, ())
        case "Action" | "Resource":
            return _adds(surplus, wanted.get(path, ())), _adds(missing, found.get(path, ()))
        case "Condition":
            return _effect_of_condition(path, wanted, found)
    return True, True


def _effect_of_condition(path: _Path, wanted: _Values, found: _Values) -> tuple[bool, bool]:
    """A condition less covers more; of one that was changed, it depends on the operator which way."""
    if path not in found or path not in wanted:
        return path not in found, path not in wanted
    missing, surplus = _sides(path, wanted, found)
    if path[1] in _POSITIVE:
        return bool(surplus), bool(missing)
    if path[1] in _NEGATED:
        return bool(missing), bool(surplus)
    return True, True


def _adds(values: Iterable[str], patterns: Iterable[str]) -> bool:
    """Whether a value is covered by none of the patterns."""
    known = [pattern.lower() for pattern in patterns]
    return not all(any(fnmatchcase(value.lower(), one) for one in known) for value in values)


def _denies(values: _Values) -> bool:
    return values.get(("Effect",)) == frozenset({"Deny"})


def _normal(value: Any) -> Any:
    """Lists sorted and free of duplicates, every scalar outside of an object's keys a list of one."""
    if isinstance(value, Mapping):
        return {key: _normal(item) for key, item in value.items()}
    items = value if isinstance(value, list) else [value]
    encoded = {
        json.dumps(_normal(i) if isinstance(i, Mapping) else i, sort_keys=True) for i in items
    }
    return sorted(encoded)
