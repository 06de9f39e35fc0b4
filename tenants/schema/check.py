"""Schema: checks the fields of one record and sorts them by how they are kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from crypto.part import JsonValue
from tenants.errors import InputInvalid
from tenants.schema.field import Field
from tenants.schema.limits import MAX_FIELDS, MAX_RECORD_BYTES
from tenants.schema.values import RuleBroken


class SearchTerm(NamedTuple):
    """What one searchable field is found by."""

    field: str
    text: str
    unique: bool


@dataclass(frozen=True, slots=True)
class CheckedFields:
    """Values that fit the schema. `emptied` are the fields that were given as null."""

    clear: dict[str, JsonValue] = dataclasses.field(default_factory=dict)
    sealed: dict[str, dict[str, JsonValue]] = dataclasses.field(default_factory=dict)
    terms: list[SearchTerm] = dataclasses.field(default_factory=list)
    emptied: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """All fields that were given."""
        sealed = (name for part in self.sealed.values() for name in part)
        return self.emptied.union(self.clear, sealed)


class Schema:
    """A compiled schema. Immutable, so one serves all threads."""

    __slots__ = ("_required", "fields", "parts")

    def __init__(self, fields: tuple[Field, ...]) -> None:
        """`fields` in the order of the document, each name once."""
        self.fields: Mapping[str, Field] = {field.name: field for field in fields}
        self.parts: Mapping[str, frozenset[str]] = _parts(fields)
        self._required = tuple(field.name for field in fields if field.required)

    def as_document(self) -> dict[str, JsonValue]:
        """The canonical document: equal schemas have equal ones."""
        return {"fields": [field.as_document() for field in self.fields.values()]}

    def check(self, given: Mapping[str, JsonValue], *, partial: bool = False) -> CheckedFields:
        """Sort the values by protection and classification, or raise `InputInvalid` with every problem.

        A null is no value. `partial` is for a change: what is not given stays as it is, and null empties a field.
        """
        if len(given) > MAX_FIELDS:
            raise InputInvalid(
                "The record has too many fields.", [("/fields", f"must be at most {MAX_FIELDS}")]
            )
        problems: list[tuple[str, str]] = []
        checked = CheckedFields(emptied=frozenset(n for n, value in given.items() if value is None))
        for name, value in given.items():
            try:
                self._sort(name, value, checked)
            except RuleBroken as broken:
                problems.append((place_of(name), str(broken)))
        for name in self._required:
            if name in checked.emptied or not (partial or name in given):
                problems.append((place_of(name), "is required"))
        if problems:
            raise InputInvalid("The record does not fit its collection's schema.", problems)
        check_size(given)
        return checked

    def present(
        self, clear: Mapping[str, JsonValue], sealed: Mapping[str, Mapping[str, JsonValue]]
    ) -> dict[str, JsonValue]:
        """The fields of one stored record in the schema's order.

        A sealed field is taken from the opened part of its own classification and from nowhere else: what a forger
        writes under its name among the clear fields, which nothing authenticates, is not shown.
        """
        shown: dict[str, JsonValue] = {}
        for name, field in self.fields.items():
            source = sealed.get(field.classification, {}) if field.sealed else clear
            if name in source:
                shown[name] = source[name]
        return shown

    def lacks_required(
        self, sealed: Mapping[str, Mapping[str, JsonValue]], classifications: Collection[str]
    ) -> bool:
        """Whether a required field of these classifications is missing: no write of ours leaves it out, so its part was
        taken away."""
        if not self._required:
            return False
        required = (self.fields[name] for name in self._required)
        return any(
            field.name not in sealed.get(field.classification, {})
            for field in required
            if field.classification in classifications
        )

    def _sort(self, name: str, value: JsonValue, checked: CheckedFields) -> None:
        field = self.fields.get(name)
        if field is None:
            raise RuleBroken("is not a field of this collection")
        if value is None:
            return
        field.check(value)
        if field.sealed:
            checked.sealed.setdefault(field.classification, {})[name] = value
        else:
            checked.clear[name] = value
        if field.searchable and (text := field.search_text(value)):
            checked.terms.append(SearchTerm(name, text, field.unique))


def _parts(fields: tuple[Field, ...]) -> dict[str, frozenset[str]]:
    """The names of the sealed fields by classification."""
    parts: dict[str, set[str]] = {}
    for field in fields:
        if field.sealed:
            parts.setdefault(field.classification, set()).add(field.name)
    return {name: frozenset(names) for name, names in parts.items()}


def check_size(fields: Mapping[str, JsonValue], *, beside: int = 0) -> None:
    """Raise `InputInvalid` where the fields of one record, with the bytes beside them, are larger than it may hold."""
    if len(orjson.dumps(dict(fields))) + beside > MAX_RECORD_BYTES:
        raise InputInvalid(
            "The record is too large.",
            [("/fields", f"must have at most {MAX_RECORD_BYTES} bytes as JSON")],
        )


def place_of(name: str) -> str:
    """Where a field stands in the request, as a JSON pointer (RFC 6901) of bounded length."""
    return "/fields/" + name[:64].replace("~", "~0").replace("/", "~1")
