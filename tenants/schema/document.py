"""Reads schema documents: every fault of a document is reported at once, with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import orjson

from crypto.blind_index import NORMALISERS
from crypto.part import JsonValue
from tenants.errors import InputInvalid
from tenants.schema.check import Schema
from tenants.schema.classification import RULE, is_classification
from tenants.schema.field import Field
from tenants.schema.limits import MAX_CLASSIFICATIONS, MAX_FIELDS, MAX_TEXT_BYTES
from tenants.schema.values import TYPES

MASKS: Final = ("last4", "email", "redact")
# Other types have several spellings of one value (1 and 1.0, Z and +00:00), so equal values could differ in token.
SEARCHABLE_TYPES: Final = ("string", "integer", "date")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}\Z", re.ASCII)
_KEYS: Final = {"name", "type", "required", "protection", "classification", "searchable", "unique", "normaliser",
                "mask", "max_length"}  # fmt: skip
_FLAGS: Final = ("required", "searchable", "unique")

Problem = tuple[str, str]


@lru_cache(maxsize=1024)
def compile_schema(text: str) -> Schema:
    """The schema of a stored document; the text itself is the cache key, so a changed schema is another line."""
    return parse_schema(orjson.loads(text))


def parse_schema(document: JsonValue) -> Schema:
    """Read a document, or raise `InputInvalid` with (place, rule) of every fault."""
    fields, problems = _read(document)
    if problems:
        raise InputInvalid("The schema is not valid.", problems)
    return Schema(tuple(fields))


def _read(document: JsonValue) -> tuple[list[Field], list[Problem]]:
    if not isinstance(document, dict) or document.keys() != {"fields"}:
        return [], [("", 'must be an object with "fields" and nothing else')]
    items = document["fields"]
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_FIELDS:
        return [], [("/fields", f"must be a list of 1 to {MAX_FIELDS} fields")]
    fields: list[Field] = []
    problems: list[Problem] = []
    for position, item in enumerate(items):
        found = [(f"/fields/{position}{place}", rule) for place, rule in _faults(item)]
        if not found and isinstance(item, dict):
            fields.append(_field(item))
        problems += found
    return fields, problems + list(_faults_of_all(fields))


def _faults(item: JsonValue) -> Iterator[Problem]:
    """What is wrong with one field's form; only where nothing is, is its meaning looked at."""
    if not isinstance(item, dict):
        yield "", "must be an object"
        return
    form = list(_faults_of_form(item))
    yield from form or _faults_of_meaning(item)


def _faults_of_form(item: dict[str, JsonValue]) -> Iterator[Problem]:
    if unknown := item.keys() - _KEYS:
        yield "", f"has {len(unknown)} unknown properties; known are {', '.join(sorted(_KEYS))}"
    if not _matches(_NAME, item.get("name")):
        yield "/name", "must be 1 to 64 letters, digits and underscores, and begin with a letter"
    for key, known in (("type", tuple(TYPES)), ("protection", ("clear", "sealed"))):
        if item.get(key) not in known:
            yield f"/{key}", f"must be one of {', '.join(known)}"
    for key, known in (("normaliser", tuple(NORMALISERS)), ("mask", MASKS)):
        if key in item and item[key] not in known:
            yield f"/{key}", f"must be one of {', '.join(known)}"
    for key in _FLAGS:
        if not isinstance(item.get(key, False), bool):
            yield f"/{key}", "must be true or false"
    name = item.get("classification", "pii")
    if not (isinstance(name, str) and is_classification(name)):
        yield "/classification", RULE
    length = item.get("max_length", 1)
    if type(length) is not int or not 1 <= length <= MAX_TEXT_BYTES:
        yield "/max_length", f"must be an integer from 1 to {MAX_TEXT_BYTES}"


def _faults_of_meaning(item: dict[str, JsonValue]) -> Iterator[Problem]:
    sealed, searchable, is_text = (
        item["protection"] == "sealed",
        item.get("searchable", False),
        item["type"] == "string",
    )
    if sealed != ("classification" in item):
        yield "/classification", "belongs to every sealed field and to no clear one"
    if searchable and item["type"] not in SEARCHABLE_TYPES:
        yield "/searchable", f"is for the types {', '.join(SEARCHABLE_TYPES)}"
    if item.get("unique") and not searchable:
        yield "/unique", "needs a searchable field"
    if item.get("normaliser", "exact") != "exact" and not (searchable and is_text):
        yield "/normaliser", "needs a searchable string"
    if "mask" in item and not (sealed and is_text):
        yield "/mask", "needs a sealed string"
    if "max_length" in item and not is_text:
        yield "/max_length", "needs a string"


def _faults_of_all(fields: list[Field]) -> Iterator[Problem]:
    names = [field.name for field in fields]
    if len(set(names)) != len(names):
        yield "/fields", "must not name a field twice"
    if len({field.classification for field in fields if field.sealed}) > MAX_CLASSIFICATIONS:
        yield "/fields", f"must have at most {MAX_CLASSIFICATIONS} classifications"


def _matches(pattern: re.Pattern[str], value: JsonValue) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None


def _field(item: dict[str, JsonValue]) -> Field:
    return Field(
        name=str(item["name"]),
        type=str(item["type"]),
        sealed=item["protection"] == "sealed",
        required=bool(item.get("required")),
        classification=str(item.get("classification", "")),
        searchable=bool(item.get("searchable")),
        unique=bool(item.get("unique")),
        normaliser=str(item.get("normaliser", "exact")),
        mask=str(item.get("mask", "")),
        max_length=item.get("max_length", 0),  # type: ignore[arg-type]  # an int: _faults_of_form looked
    )
