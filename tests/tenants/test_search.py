"""Search: equal by the field's normaliser and never by the token alone, compared by its type, at a bounded cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tenants.errors import CollectionNotFound, InputInvalid, RegionNotAllowed, ScopeMissing
from tenants.selectors import Caller
from tenants.services.collections import define_collection
from tenants.services.records import (
    RecordInput,
    RecordPage,
    SearchCondition,
    create_records,
    search_records,
)
from tests.callers import as_superuser, caller_of, people, queries, shared_acme
from tests.stack import Stack

KOELN = ("city", "eq", "köln")


@pytest.fixture(scope="module")
def acme() -> Caller:
    return caller_of(shared_acme())


@pytest.fixture(scope="module")
def collection(acme: Caller) -> str:
    """One for all tests that only look."""
    return with_crowd(acme)


@pytest.fixture
def own(acme: Caller) -> str:
    """One for a test that changes something."""
    return with_crowd(acme)


def with_crowd(caller: Caller) -> str:
    name = people(caller)
    ann: dict[str, Any] = {"city": "Köln", "email": "ann@x.org", "ssn": "078-05-1120", "score": 1}
    bob: dict[str, Any] = {"city": "KÖLN ", "email": "bob@x.org", "ssn": "078051120", "score": 2.5}
    records = [
        RecordInput("ann", {"name": "Ann", **ann}),
        RecordInput("bob", {"name": "Bob", **bob}),
        RecordInput("cat", {"name": "Cat", "city": "Rome", "ssn": "219-09-9999", "score": -1e20}),
        RecordInput("dan", {"name": "Dan"}),
    ]
    create_records(caller=caller, collection=name, records=records)
    return name


def search(
    caller: Caller, collection: str, *where: Any, limit: int = 10, after: str | None = None
) -> RecordPage:
    conditions = [SearchCondition(*each) for each in where]
    return search_records(
        caller=caller, collection=collection, where=conditions, limit=limit, after=after
    )


def find(caller: Caller, collection: str, *where: Any, limit: int = 10) -> list[str]:
    page = search(caller, collection, *where, limit=limit)
    return [record.id for record in page.records]


def places(caller: Caller, collection: str, *where: Any) -> list[str]:
    with pytest.raises(InputInvalid) as caught:
        find(caller, collection, *where)
    assert "078" not in repr(caught.value.problems)
    return [place for place, _ in caught.value.problems]


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
    assert find(acme, collection, (field, "eq", value)) == ids


def test_what_is_found_is_the_whole_record(acme: Caller, collection: str) -> None:
    [record] = search(acme, collection, ("email", "eq", "ann@x.org")).records
    assert record.fields == {
        "name": "Ann",
        "city": "Köln",
        "email": "ann@x.org",
        "ssn": "078-05-1120",
        "score": 1,
    }


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ([("ssn", "in", ["219099999", "1", "078-05-1120"])], ["ann", "bob", "cat"]),
        ([("ssn", "in", ["1"])], []),
        ([("ssn", "eq", "078051120"), ("email", "eq", "bob@x.org")], ["bob"]),
        ([KOELN, ("ssn", "in", ["219099999"])], []),
        ([KOELN, ("ssn", "eq", "078051120"), ("email", "in", ["bob@x.org", "ann@x.org"])], ["ann", "bob"]),
        ([KOELN, ("ssn", "eq", "078051120"), ("score", "gt", 1), ("name", "prefix", "B")], ["bob"]),
    ],
)  # fmt: skip
def test_all_conditions_must_hold(
    acme: Caller, collection: str, where: list[Any], ids: list[str]
) -> None:
    assert find(acme, collection, *where) == ids
    assert find(acme, collection, *reversed(where)) == ids


NUMBERS = ("ssn", "in", ["078051120", "219099999"])


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (("score", "eq", 1.0), ["ann"]),
        (("score", "ne", 1), ["bob", "cat"]),
        (("score", "in", [2.5, 7, -1e20]), ["bob", "cat"]),
        (("score", "lt", 1), ["cat"]),
        (("score", "lte", 1), ["ann", "cat"]),
        (("score", "gt", -1.01e20), ["ann", "bob", "cat"]),
        (("score", "gte", 2.5), ["bob"]),
        (("score", "is_null", False), ["ann", "bob", "cat"]),
        (("score", "is_null", True), []),
        (("name", "eq", "Ann"), ["ann"]),
        (("name", "eq", "ann"), []),
        (("name", "in", ["Ann", "Cat"]), ["ann", "cat"]),
        (("name", "ne", "Ann"), ["bob", "cat"]),
        (("name", "gte", "Bob"), ["bob", "cat"]),
        (("name", "lt", "a"), ["ann", "bob", "cat"]),
        (("name", "prefix", "C"), ["cat"]),
        (("name", "prefix", "%"), []),
        (("city", "ne", "köln"), ["cat"]),
        (("city", "prefix", "K"), ["ann", "bob"]),
    ],
)
def test_clear_fields_are_compared_by_their_type(
    acme: Caller, collection: str, condition: Any, ids: list[str]
) -> None:
    assert find(acme, collection, NUMBERS, condition) == ids


@pytest.fixture(scope="module")
def typed(acme: Caller, collection: str) -> str:
    """A collection with a clear field of every type, and one searchable field with the same value in all records."""
    sealed = {"protection": "sealed", "classification": "pii", "searchable": True}
    fields: list[Any] = [
        {"name": name, "type": name, "protection": "clear"}
        for name in ("string", "integer", "number", "boolean", "date", "datetime", "json")
    ]
    fields += [
        {"name": "all", "type": "integer", **sealed},
        {"name": "born", "type": "date", **sealed},
    ]
    name = f"{collection}-typed"
    define_collection(caller=acme, name=name, document={"fields": fields})
    records: list[dict[str, Any]] = [
        {"integer": 2**63 - 1, "boolean": True, "date": "1999-12-31", "datetime": "2000-01-01T01:00:00+02:00"},
        {"integer": -5, "boolean": False, "date": "2000-01-01", "datetime": "1999-12-31T23:30:00Z", "json": [1]},
        {"string": "\U0001f600", "number": 5.8e16, "born": "1984-02-29"},
    ]  # fmt: skip
    create_records(
        caller=acme,
        collection=name,
        records=[RecordInput(str(n), {"all": 1, **each}) for n, each in enumerate(records)],
    )
    return name


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (("integer", "eq", 2**63 - 1), ["0"]),
        (("integer", "lt", 0), ["1"]),
        (("integer", "ne", -5), ["0"]),
        (("boolean", "eq", True), ["0"]),
        (("boolean", "ne", True), ["1"]),
        (("boolean", "in", [True, False]), ["0", "1"]),
        (("boolean", "is_null", True), ["2"]),
        (("date", "lt", "2000-01-01"), ["0"]),
        (("datetime", "lt", "2000-01-01T00:15:00+01:00"), ["0"]),
        (("datetime", "eq", "2000-01-01T00:30:00+01:00"), ["1"]),
        (("datetime", "in", ["1999-12-31T23:00:00Z"]), ["0"]),
        (("json", "is_null", False), ["1"]),
        (("number", "eq", 58000000000000000), ["2"]),
        (("string", "gt", "￿"), ["2"]),
        (("all", "eq", 1), ["0", "1", "2"]),
        (("born", "eq", "1984-02-29"), ["2"]),
    ],
)
def test_every_type_has_its_order(acme: Caller, typed: str, condition: Any, ids: list[str]) -> None:
    assert find(acme, typed, ("all", "eq", 1), condition) == ids


@pytest.mark.parametrize(
    ("condition", "place"),
    [
        (("boolean", "lt", True), "op"),
        (("json", "eq", [1]), "op"),
        (("integer", "prefix", 1), "op"),
        (("integer", "eq", 1.5), "value"),
        (("integer", "eq", True), "value"),
        (("integer", "in", []), "value"),
        (("integer", "in", 1), "value"),
        (("integer", "in", [1, "2"]), "value"),
        (("boolean", "is_null", 1), "value"),
        (("datetime", "lt", "2000-01-01"), "value"),
        (("datetime", "lt", "2000-01-01T00:00:00+23:00"), "value"),
        (("date", "lt", "2000-02-30"), "value"),
        (("number", "gt", float("nan")), "value"),
        (("string", "eq", ["x"]), "value"),
        (("born", "lt", "2000-01-01"), "op"),
        (("born", "is_null", True), "op"),
        (("born", "eq", "1984"), "value"),
        (("all", "eq", "1"), "value"),
        (("string", "like", "x"), "op"),
        (("string", "", "x"), "op"),
    ],
)
def test_what_a_field_does_not_take_is_refused_with_its_place(
    acme: Caller, typed: str, condition: Any, place: str
) -> None:
    assert places(acme, typed, ("all", "eq", 1), condition) == [f"/where/1/{place}"]


def test_a_search_needs_a_searchable_field_to_begin_with(acme: Caller, collection: str) -> None:
    for where in ([], [("name", "eq", "Ann")], [("city", "ne", "Rome")], [("city", "prefix", "K")]):
        assert places(acme, collection, *where) == ["/where"]


def test_conditions_and_values_have_a_limit(acme: Caller, collection: str) -> None:
    assert places(acme, collection, *[KOELN] * 11) == ["/where"]
    assert find(acme, collection, *[KOELN] * 10) == ["ann", "bob"]
    many = [str(number) for number in range(100)]
    assert find(acme, collection, ("ssn", "in", many)) == []
    assert places(acme, collection, ("ssn", "in", many), KOELN) == ["/where"]


@pytest.mark.parametrize("field", ["card", "notes", "unknown", "", "ssn\0", "name' or 1=1 --"])
def test_a_field_that_cannot_be_searched_is_refused(
    acme: Caller, collection: str, field: str
) -> None:
    assert places(acme, collection, (field, "eq", "Ann")) == ["/where/0/field"]


@pytest.mark.parametrize("value", [1, None, True, ["078051120"], "a\0", "\ud800", "no digits"])
def test_a_value_that_cannot_be_searched_for_is_refused(
    acme: Caller, collection: str, value: Any
) -> None:
    assert places(acme, collection, ("ssn", "eq", value)) == ["/where/0/value"]


@pytest.mark.parametrize(
    "value", ["'; drop table tenants_record; --", "%(tenant)s", "{0}", "\\", "?"]
)
def test_a_value_is_never_part_of_the_statement(acme: Caller, own: str, value: str) -> None:
    create_records(
        caller=acme,
        collection=own,
        records=[RecordInput("x", {"name": value, "city": value})],
    )
    for op in ("eq", "gte", "prefix"):
        assert find(acme, own, ("city", "eq", value), ("name", op, value)) == ["x"]
    assert find(acme, own, ("city", "eq", value), ("name", "in", [value, "'"])) == ["x"]


def test_pages_hold_every_record_once_oldest_first(acme: Caller, own: str) -> None:
    ids = [f"p{(n * 7) % 11}" for n in range(11)]
    records = [RecordInput(each, {"name": each, "city": "Bonn"}) for each in ids]
    create_records(caller=acme, collection=own, records=records)
    for where in (
        [("city", "eq", "bonn")],
        [("city", "in", ["bonn", "oslo"]), ("name", "ne", "x")],
    ):
        seen: list[str] = []
        after = None
        while True:
            page = search(acme, own, *where, limit=4, after=after)
            seen += [record.id for record in page.records]
            after = page.next
            if after is None:
                break
        assert seen == ids


def test_what_is_looked_at_is_limited_and_the_rest_comes_with_the_next_page(
    acme: Caller, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [RecordInput(f"p{n:02}", {"name": str(n), "city": "Bonn"}) for n in range(20)]
    create_records(caller=acme, collection=own, records=records)
    monkeypatch.setattr("tenants.selectors.search.MAX_EXAMINED", 8)
    where = [("city", "eq", "Bonn"), ("name", "in", ["3", "17", "18"])]
    pages, after = [], None
    while True:
        page = search(acme, own, *where, limit=2, after=after)
        pages.append([record.id for record in page.records])
        after = page.next
        if after is None:
            break
    assert pages == [["p03"], [], ["p17", "p18"]]


def test_a_page_of_large_records_is_shorter_and_none_is_left_out(
    acme: Caller, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = "x" * 60_000
    records = [RecordInput(each, {"name": large, "city": "Bonn"}) for each in "abc"]
    create_records(caller=acme, collection=own, records=records)
    monkeypatch.setattr("tenants.selectors.search.MAX_ANSWER_BYTES", 100_000)
    first = search(acme, own, ("city", "eq", "Bonn"))
    assert [record.id for record in first.records] == ["a", "b"]
    rest = search(acme, own, ("city", "eq", "Bonn"), after=first.next)
    assert ([record.id for record in rest.records], rest.next) == (["c"], None)


@pytest.mark.parametrize("after", ["", "x", "ann", "AAAA", "A" * 23, "é" * 22, "A" * 21 + "B"])
def test_a_page_begins_where_another_has_ended_and_nowhere_else(
    acme: Caller, collection: str, after: str
) -> None:
    with pytest.raises(InputInvalid) as caught:
        search(acme, collection, KOELN, after=after)
    assert [place for place, _ in caught.value.problems] == ["/after"]


def test_the_limit_holds(acme: Caller, collection: str) -> None:
    assert len(find(acme, collection, ("ssn", "eq", "078051120"), limit=1)) == 1
    for limit in (0, 501):
        with pytest.raises(InputInvalid):
            find(acme, collection, ("ssn", "eq", "1"), limit=limit)


def test_another_collection_of_the_tenant_is_another_world(acme: Caller, collection: str) -> None:
    assert find(acme, people(acme), ("ssn", "eq", "078051120")) == []
    with pytest.raises(CollectionNotFound):
        find(acme, "nothing", ("ssn", "eq", "1"))


def test_a_token_that_leads_to_another_value_finds_nothing(
    acme: Caller, own: str, stack: Stack
) -> None:
    """Tokens are truncated, and rows can be tampered with: only the opened value counts."""
    as_superuser(
        stack,
        "update tenants_blindindexentry b set token = o.token"
        " from tenants_blindindexentry o, tenants_record br, tenants_record r, tenants_collection c"
        " where c.name = %s and br.collection_id = c.id and r.collection_id = c.id"
        " and b.record = br.id and br.record_id = 'cat' and b.field = 'ssn'"
        " and o.record = r.id and r.record_id = 'ann' and o.field = 'ssn' returning 1",
        own,
    )
    assert find(acme, own, ("ssn", "eq", "078051120")) == ["ann", "bob"]
    assert find(acme, own, ("city", "eq", "rome"), ("ssn", "eq", "078051120")) == []


def test_search_needs_both_scopes_since_it_answers_records(acme: Caller, collection: str) -> None:
    for scope in ("records:read", "records:search"):
        with pytest.raises(ScopeMissing):
            find(replace(acme, scopes=frozenset([scope])), collection, ("ssn", "eq", "1"))


def test_a_region_that_may_not_decrypt_the_class_cannot_search_it(
    acme: Caller, collection: str
) -> None:
    rule = replace(acme.rules["us-east-2"], may_decrypt=("pci",))
    limited = replace(acme, rules={"us-east-2": rule})
    for where in ([("ssn", "eq", "078051120")], [("city", "eq", "Oslo"), ("ssn", "eq", "1")]):
        with pytest.raises(RegionNotAllowed):
            find(limited, collection, *where)
    assert find(limited, collection, ("city", "eq", "Oslo")) == []


def test_the_number_of_queries_does_not_depend_on_the_number_found(
    acme: Caller, collection: str
) -> None:
    find(acme, collection, ("ssn", "eq", "1"))
    counts = []
    for value in ("1", "219099999", "078051120"):
        with queries() as sent:
            find(acme, collection, ("ssn", "eq", value))
        counts.append(len(sent))
    assert counts[0] == counts[1] == counts[2]
