"""Conditions of a search: which operators a field takes, by its protection and type, and whether a value fits. Pure.

A sealed field is found by its search tokens, so equality is all there is. A clear field can be compared; but a search
names at least one searchable field to begin with, or it would read the whole collection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crypto.part import JsonValue
from tenants.errors import InputInvalid
from tenants.schema.check import Schema
from tenants.schema.field import Field
from tenants.schema.values import RuleBroken

MAX_CONDITIONS: Final = 10
MAX_VALUES: Final = 100  # of all conditions together
EQUALITY: Final = ("eq", "in")
_ORDER = ("lt", "lte", "gt", "gte")
OPERATORS: Final[dict[str, tuple[str, ...]]] = {
    "string": (*EQUALITY, "ne", *_ORDER, "prefix", "is_null"),
    "integer": (*EQUALITY, "ne", *_ORDER, "is_null"),
    "number": (*EQUALITY, "ne", *_ORDER, "is_null"),
    "date": (*EQUALITY, "ne", *_ORDER, "is_null"),
    "datetime": (*EQUALITY, "ne", *_ORDER, "is_null"),
    "boolean": (*EQUALITY, "ne", "is_null"),
    "json": ("is_null",),
}
_NOT_INDEXED = (
    "must have a searchable field with eq or in: without one the whole collection would be read;"
    " list its records page by page instead"
)


@dataclass(frozen=True, slots=True)
class SearchCondition:
    """What a caller asks of one field, unchecked."""

    field: str
    op: str
    value: JsonValue = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that fits the schema. `texts` are the normal forms of its values where the field is searchable, and
    empty where values are compared as they are."""

    field: Field
    op: str
    values: tuple[JsonValue, ...] = dataclasses.field(repr=False)
    texts: frozenset[str] = dataclasses.field(default=frozenset(), repr=False)

    @property
    def is_indexed(self) -> bool:
        """Whether its records are found by search tokens."""
        return bool(self.texts) and self.op in EQUALITY

    def holds(self, value: JsonValue) -> bool:
        """Whether a value of the field (None: it has none) is one of those that are looked for by token."""
        return value is not None and self.field.search_text(value) in self.texts


def read_conditions(schema: Schema, given: Sequence[SearchCondition]) -> list[Condition]:
    """The conditions, or `InputInvalid` with every problem. At least one of them is indexed."""
    problems: list[tuple[str, str]] = []
    conditions: list[Condition] = []
    for number, condition in enumerate(given[:MAX_CONDITIONS]):
        found = list(_problems(schema, condition))
        problems += [(f"/where/{number}/{place}", rule) for place, rule in found]
        if not found:
            conditions.append(_condition(schema.fields[condition.field], condition))
    if len(given) > MAX_CONDITIONS:
        problems.append(("/where", f"must have at most {MAX_CONDITIONS} conditions"))
    if sum(len(condition.values) for condition in conditions) > MAX_VALUES:
        problems.append(("/where", f"must have at most {MAX_VALUES} values in all"))
    if not problems and not any(condition.is_indexed for condition in conditions):
        problems.append(("/where", _NOT_INDEXED))
    if problems:
        raise InputInvalid("This cannot be searched for.", problems)
    return conditions


def operators_of(field: Field) -> tuple[str, ...]:
    """The operators that the field takes; none for a sealed field that is not searchable."""
    if field.sealed:
        return EQUALITY if field.searchable else ()
    return OPERATORS[field.type]


def _problems(schema: Schema, condition: SearchCondition) -> Iterator[tuple[str, str]]:
    field = schema.fields.get(condition.field)
    if field is None:
        yield "field", "must be a field of this collection"
    elif not (known := operators_of(field)):
        yield "field", "must be searchable: it is sealed, and so there is nothing to compare"
    elif condition.op not in known:
        yield "op", f"must be one of {', '.join(known)} for this field"
    else:
        yield from _problems_of_value(field, condition)


def _problems_of_value(field: Field, condition: SearchCondition) -> Iterator[tuple[str, str]]:
    if condition.op == "is_null":
        if not isinstance(condition.value, bool):
            yield "value", "must be true or false"
        return
    values = _values(condition)
    if not values:
        yield "value", "must be a list of at least one value"
    for value in values:
        try:
            field.check(value)
        except RuleBroken as broken:
            yield "value", str(broken)
        else:
            if _by_normal_form(field, condition.op) and not field.search_text(value):
                yield (
                    "value",
                    f"must have something left after the normaliser {field.normaliser}",
                )


def _condition(field: Field, condition: SearchCondition) -> Condition:
    values = _values(condition)
    texts = (
        frozenset(field.search_text(value) for value in values)
        if _by_normal_form(field, condition.op)
        else frozenset()
    )
    return Condition(field, condition.op, values, texts)


def _values(condition: SearchCondition) -> tuple[JsonValue, ...]:
    if condition.op != "in":
        return (condition.value,)
    return tuple(condition.value) if isinstance(condition.value, list) else ()


def _by_normal_form(field: Field, op: str) -> bool:
    """Equal and unequal mean the normal form where there is one, so that no value is both."""
    return field.searchable and op in (*EQUALITY, "ne")
