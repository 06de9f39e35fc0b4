"""Schemas: what a document may say, what a value must be, and that no error repeats a value."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.errors import InputInvalid
from tenants.schema import SearchTerm, compile_schema, parse_schema

SSN = {
    "name": "ssn",
    "type": "string",
    "protection": "sealed",
    "classification": "pii",
    "searchable": True,
    "unique": True,
    "normaliser": "digits",
    "mask": "last4",
}
NAME = {"name": "name", "type": "string", "protection": "clear", "required": True, "max_length": 5}
CARD = {"name": "card", "type": "string", "protection": "sealed", "classification": "pci"}


def document(*fields: Any) -> dict[str, Any]:
    return {"fields": list(fields)}


def typed(name: str) -> Any:
    return parse_schema(document({"name": "x", "type": name, "protection": "clear"}))


def problems(call: Any, *args: Any, **named: Any) -> dict[str, str]:
    with pytest.raises(InputInvalid) as caught:
        call(*args, **named)
    assert caught.value.code == "input_invalid"
    return dict(caught.value.problems)


def test_fields_are_sorted_by_protection_and_classification() -> None:
    checked = parse_schema(document(SSN, NAME, CARD)).check(
        {"ssn": "078-05-1120", "name": "Ann", "card": "4111"}
    )
    assert checked.clear == {"name": "Ann"}
    assert checked.sealed == {"pii": {"ssn": "078-05-1120"}, "pci": {"card": "4111"}}
    assert checked.terms == [SearchTerm("ssn", "078051120", unique=True)]


def test_the_canonical_document_means_the_same() -> None:
    schema = parse_schema(document({**SSN, "required": False}, NAME, CARD))
    assert schema.as_document() == document(SSN, NAME, CARD)
    assert parse_schema(schema.as_document()).fields == schema.fields


def test_a_stored_schema_is_compiled_once() -> None:
    text = json.dumps(document(NAME))
    assert compile_schema(text) is compile_schema(text)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ([], ""),
        ({"fields": []}, "/fields"),
        ({"fields": {}}, "/fields"),
        ({"fields": [NAME], "more": 1}, ""),
        (document("name"), "/fields/0"),
        (document({**NAME, "typo": 1}), "/fields/0"),
        (document({**NAME, "name": "1st"}), "/fields/0/name"),
        (document({**NAME, "name": "x" * 65}), "/fields/0/name"),
        (document({**NAME, "name": "ssn\n"}), "/fields/0/name"),
        (document({**NAME, "name": 7}), "/fields/0/name"),
        (document({**NAME, "type": "text"}), "/fields/0/type"),
        (document({**NAME, "type": ["string"]}), "/fields/0/type"),
        (document({"name": "x", "type": "string"}), "/fields/0/protection"),
        (document({**CARD, "classification": "*"}), "/fields/0/classification"),
        (document({**CARD, "classification": "P C I"}), "/fields/0/classification"),
        (document({**NAME, "classification": "pii"}), "/fields/0/classification"),
        (
            document({"name": "x", "type": "string", "protection": "sealed"}),
            "/fields/0/classification",
        ),
        (document({**NAME, "required": "yes"}), "/fields/0/required"),
        (document({**SSN, "normaliser": "soundex"}), "/fields/0/normaliser"),
        (document({**CARD, "normaliser": "digits"}), "/fields/0/normaliser"),
        (document({**CARD, "unique": True}), "/fields/0/unique"),
        (document({**CARD, "type": "json", "searchable": True}), "/fields/0/searchable"),
        (document({**NAME, "mask": "last4"}), "/fields/0/mask"),
        (document({**NAME, "max_length": 0}), "/fields/0/max_length"),
        (document({**NAME, "max_length": True}), "/fields/0/max_length"),
        (document({**NAME, "type": "integer"}), "/fields/0/max_length"),
        (document(NAME, NAME), "/fields"),
        (document(*({**NAME, "name": f"f{n}"} for n in range(257))), "/fields"),
        (
            document(*({**CARD, "name": f"f{n}", "classification": f"c{n}"} for n in range(17))),
            "/fields",
        ),
    ],
)
def test_a_wrong_document_is_refused_with_its_place(wrong: Any, place: str) -> None:
    assert place in problems(parse_schema, wrong)


def test_all_faults_of_a_document_are_reported_at_once() -> None:
    wrong = document({**NAME, "type": "text"}, {**SSN, "name": "-", "mask": "blur"}, CARD)
    assert problems(parse_schema, wrong).keys() == {
        "/fields/0/type",
        "/fields/1/name",
        "/fields/1/mask",
    }


@pytest.mark.parametrize(
    ("type_name", "good"),
    [
        ("string", ["", "a", "é" * 100, "x" * 65_536]),
        ("integer", [0, -(2**63), 2**63 - 1]),
        ("number", [0, 1.5, -1e300, 2**63 - 1]),
        ("boolean", [True, False]),
        ("date", ["2024-02-29"]),
        ("datetime", ["2024-02-29T23:59:59Z", "2024-01-01T00:00:00.123456+05:30"]),
        ("json", [[], {}, "a", 0, False, [None, {"a": [1.5, "b"]}]]),
    ],
)
def test_values_of_the_type_pass(type_name: str, good: list[Any]) -> None:
    for value in good:
        assert typed(type_name).check({"x": value}).clear == {"x": value}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("type_name", "bad"),
    [
        ("string", [1, True, [], {}, "a\0b", "\ud800", "x" * 65_537, "é" * 32_769]),
        ("integer", ["1", True, 1.0, 2**63, -(2**63) - 1]),
        ("number", ["1", True, math.nan, math.inf, 2**63]),
        ("boolean", [0, "true"]),
        ("date", ["2023-02-29", "20240229", "2024-W01-1", "2024-02-29\n", "٢٠٢٤-٠٢-٢٩", 20240229]),
        ("datetime", ["2024-02-29", "2024-02-29T10:00:00", "2024-02-29T25:00:00Z", "now", 0]),
        (
            "json",
            [{"a": "\0"}, {"\ud800": 1}, [math.inf], {"a": 2**64}, nested(33), nested(100_000)],
        ),
    ],
)
def test_values_of_another_type_are_refused(type_name: str, bad: list[Any]) -> None:
    for value in bad:
        assert problems(typed(type_name).check, {"x": value}).keys() == {"/fields/x"}


def test_every_problem_of_a_record_is_named_and_no_value_is_repeated() -> None:
    found = problems(
        parse_schema(document(SSN, NAME, CARD)).check,
        {"ssn": 78051120, "name": "Annabel-4111", "extra/~": "4111"},
    )
    assert found.keys() == {"/fields/ssn", "/fields/name", "/fields/extra~1~0"}
    assert not any(secret in repr(found) for secret in ("78051120", "4111"))


def test_a_required_field_is_given_or_refused() -> None:
    schema = parse_schema(document(NAME, CARD))
    assert problems(schema.check, {"card": "1"}) == {"/fields/name": "is required"}
    assert problems(schema.check, {"name": None}) == {"/fields/name": "is required"}


def test_a_change_needs_no_required_field_and_cannot_empty_one() -> None:
    schema = parse_schema(document(NAME, CARD))
    assert schema.check({"card": None}, partial=True).emptied == {"card"}
    assert problems(schema.check, {"name": None}, partial=True) == {"/fields/name": "is required"}


def test_a_record_has_at_most_256_fields_and_one_mebibyte() -> None:
    schema = parse_schema(
        document(*({"name": f"f{n}", "type": "string", "protection": "clear"} for n in range(20)))
    )
    assert "/fields" in problems(schema.check, {f"x{n}": 1 for n in range(257)})
    assert "/fields" in problems(schema.check, {f"f{n}": "x" * 65_000 for n in range(17)})
    assert len(schema.check({f"f{n}": "x" * 65_000 for n in range(16)}).clear) == 16


def test_a_value_that_the_normaliser_leaves_nothing_of_is_not_searchable() -> None:
    assert parse_schema(document(SSN)).check({"ssn": "none"}).terms == []


def test_forged_clear_fields_do_not_stand_in_for_sealed_ones() -> None:
    schema = parse_schema(document(SSN, NAME, CARD))
    shown = schema.present(
        {"name": "Ann", "card": "forged", "x": 1}, {"pii": {"ssn": "1", "card": "2"}}
    )
    assert shown == {"ssn": "1", "name": "Ann"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_no_document_breaks_the_parser(anything: Any) -> None:
    for wrong in (
        anything,
        {"fields": anything},
        document(anything),
        document({**SSN, "type": anything}),
    ):
        with suppress(InputInvalid):
            parse_schema(wrong)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_no_value_breaks_the_check(fields: dict[str, Any]) -> None:
    schema = parse_schema(
        document(
            *(
                {"name": t, "type": t, "protection": "clear"}
                for t in ("string", "number", "json", "date")
            )
        )
    )
    given_fields: Any
    for given_fields in (fields, {"string": fields, "json": fields, "number": 1}):
        with suppress(InputInvalid):
            schema.check(given_fields)
