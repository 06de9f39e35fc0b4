"""Search: equal by the field's normaliser, never by the token alone, and only where a field says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tenants.errors import (
    CollectionNotFound,
    InputInvalid,
    RegionNotAllowed,
    ScopeMissing,
)
from tenants.selectors import Caller
from tenants.services.records import RecordInput, create_records, search_records
from tests.callers import as_superuser, people, queries
from tests.stack import Stack


@pytest.fixture(autouse=True)
def crowd(acme: Caller, collection: str) -> None:
    records = [
        RecordInput(
            "ann", {"name": "Ann", "city": "Köln", "email": "ann@x.org", "ssn": "078-05-1120"}
        ),
        RecordInput(
            "bob", {"name": "Bob", "city": "KÖLN ", "email": "bob@x.org", "ssn": "078051120"}
        ),
        RecordInput("cat", {"name": "Cat", "city": "Rome", "ssn": "219-09-9999"}),
        RecordInput("dan", {"name": "Dan"}),
    ]
    create_records(caller=acme, collection=collection, records=records)


def find(caller: Caller, collection: str, field: str, value: Any, limit: int = 10) -> list[str]:
    records = search_records(
        caller=caller, collection=collection, field=field, value=value, limit=limit
    )
    return [record.id for record in records]


@pytest.mark.parametrize(
    ("field", "value", "ids"),
    [
        ("ssn", "078 05 1120", ["ann", "bob"]),
        ("ssn", "219099999", ["cat"]),
        ("ssn", "1", []),
        ("email", " ANN@X.ORG", ["ann"]),
        ("city", "köln", ["ann", "bob"]),
        ("city", "Kö", []),
    ],
)
def test_equal_values_are_found_sealed_or_clear(
    acme: Caller, collection: str, field: str, value: str, ids: list[str]
) -> None:
    assert find(acme, collection, field, value) == ids


def test_what_is_found_is_the_whole_record(acme: Caller, collection: str) -> None:
    [record] = search_records(
        caller=acme, collection=collection, field="email", value="ann@x.org", limit=5
    )
    assert record.fields == {
        "name": "Ann",
        "city": "Köln",
        "email": "ann@x.org",
        "ssn": "078-05-1120",
    }


def test_the_limit_holds(acme: Caller, collection: str) -> None:
    assert len(find(acme, collection, "ssn", "078051120", limit=1)) == 1
    for limit in (0, 501):
        with pytest.raises(InputInvalid):
            find(acme, collection, "ssn", "1", limit=limit)


def test_another_collection_of_the_tenant_is_another_world(acme: Caller, collection: str) -> None:
    assert find(acme, people(acme), "ssn", "078051120") == []
    with pytest.raises(CollectionNotFound):
        find(acme, "nothing", "ssn", "1")


@pytest.mark.parametrize("field", ["name", "card", "notes", "unknown", "", "ssn\0"])
def test_a_field_that_is_not_searchable_is_refused(
    acme: Caller, collection: str, field: str
) -> None:
    with pytest.raises(InputInvalid) as caught:
        find(acme, collection, field, "Ann")
    assert [place for place, _ in caught.value.problems] == ["/field"]


@pytest.mark.parametrize("value", [1, None, True, ["078051120"], "a\0", "\ud800", "no digits"])
def test_a_value_that_cannot_be_searched_for_is_refused(
    acme: Caller, collection: str, value: Any
) -> None:
    with pytest.raises(InputInvalid) as caught:
        find(acme, collection, "ssn", value)
    assert [place for place, _ in caught.value.problems] == ["/value"]
    assert "078" not in repr(caught.value.problems)


def test_a_token_that_leads_to_another_value_finds_nothing(
    acme: Caller, collection: str, stack: Stack
) -> None:
    """Tokens are truncated, and rows can be tampered with: only the opened value counts."""
    as_superuser(
        stack,
        "update tenants_blindindexentry b set token = o.token"
        " from tenants_blindindexentry o, tenants_record br, tenants_record r, tenants_collection c"
        " where c.name = %s and br.collection_id = c.id and r.collection_id = c.id"
        " and b.record = br.id and br.record_id = 'cat' and b.field = 'ssn'"
        " and o.record = r.id and r.record_id = 'ann' and o.field = 'ssn' returning 1",
        collection,
    )
    assert find(acme, collection, "ssn", "078051120") == ["ann", "bob"]


def test_search_needs_both_scopes_since_it_answers_records(acme: Caller, collection: str) -> None:
    for scope in ("records:read", "records:search"):
        with pytest.raises(ScopeMissing):
            find(replace(acme, scopes=frozenset([scope])), collection, "ssn", "1")


def test_a_region_that_may_not_decrypt_the_class_cannot_search_it(
    acme: Caller, collection: str
) -> None:
    rule = replace(acme.rules["us-east-2"], may_decrypt=("pci",))
    limited = replace(acme, rules={"us-east-2": rule})
    with pytest.raises(RegionNotAllowed):
        find(limited, collection, "ssn", "078051120")
    assert find(limited, collection, "city", "Oslo") == []


def test_the_number_of_queries_does_not_depend_on_the_number_found(
    acme: Caller, collection: str
) -> None:
    find(acme, collection, "ssn", "1")
    counts = []
    for value in ("1", "219099999", "078051120"):
        with queries() as sent:
            find(acme, collection, "ssn", value)
        counts.append(len(sent))
    assert counts[0] == counts[1] == counts[2]


def test_an_integer_and_a_date_are_found_by_their_own_type(acme: Caller) -> None:
    from tenants.services.collections import define_collection

    sealed = {"protection": "sealed", "classification": "pii", "searchable": True}
    schema: dict[str, Any] = {
        "fields": [
            {"name": "year", "type": "integer", **sealed},
            {"name": "born", "type": "date", **sealed},
        ]
    }
    name = people(acme) + "-typed"
    define_collection(caller=acme, name=name, document=schema)
    records = [RecordInput("a", {"year": 1984, "born": "1984-02-29"})]
    create_records(caller=acme, collection=name, records=records)
    assert find(acme, name, "year", 1984) == ["a"]
    assert find(acme, name, "born", "1984-02-29") == ["a"]
    for field, value in (("year", "1984"), ("born", "1984")):
        with pytest.raises(InputInvalid):
            find(acme, name, field, value)
