"""Creating records: one by one and in batches, with an answer for each, and nothing half-written."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.errors import (
    CollectionNotFound,
    InputInvalid,
    RecordExists,
    RecordNotFound,
    RegionNotAllowed,
    ScopeMissing,
    ValueNotUnique,
)
from tenants.selectors import Caller
from tenants.services.collections import define_collection
from tenants.services.records import (
    MAX_BATCH,
    RecordInput,
    create_record,
    create_records,
    read_record,
)
from tests.callers import as_superuser, queries
from tests.stack import Stack
from tests.tenants.stored import ANN, errors, stored


def test_a_record_is_stored_and_read_as_it_was_given(acme: Caller, collection: str) -> None:
    made = create_record(caller=acme, collection=collection, record=RecordInput("ann", ANN))
    assert (made.id, made.version, made.fields) == ("ann", 1, ANN)
    assert made.created_at == made.updated_at
    assert read_record(caller=acme, collection=collection, record_id="ann") == made


def test_a_record_without_an_id_gets_one(acme: Caller, collection: str) -> None:
    made = create_record(
        caller=acme, collection=collection, record=RecordInput(None, {"name": "A"})
    )
    assert UUID(made.id).version == 7


def test_sealed_fields_are_one_part_a_classification_and_leave_no_trace_in_the_row(
    acme: Caller, collection: str, stack: Stack
) -> None:
    create_record(caller=acme, collection=collection, record=RecordInput("ann", ANN))
    assert stored(stack, acme, collection) == {"records": 1, "parts": 3, "tokens": 3}
    [(clear,)] = as_superuser(
        stack,
        "select r.clear from tenants_record r join tenants_collection c on c.id = r.collection_id"
        " where c.name = %s and c.tenant_id = %s",
        collection,
        acme.tenant_id,
    )
    assert clear == {"name": "Ann", "city": "Paris", "score": 1.5}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@pytest.fixture
def both_ways(acme: Caller, collection: str) -> str:
    """A collection with one clear and one sealed field that take any JSON."""
    sealed = {"protection": "sealed", "classification": "pii"}
    document: Any = {
        "fields": [
            {"name": "clear", "type": "json", "protection": "clear"},
            {"name": "sealed", "type": "json", **sealed},
        ]
    }
    define_collection(caller=acme, name=f"{collection}-both", document=document)
    return f"{collection}-both"


@given(value=JSON)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_accepted_is_read_as_it_was_clear_and_sealed(
    acme: Caller, both_ways: str, value: Any
) -> None:
    """Clear values go through jsonb, which has numbers of its own; sealed ones through our encoding."""
    fields = {"clear": value, "sealed": value}
    try:
        made = create_record(caller=acme, collection=both_ways, record=RecordInput(None, fields))
    except InputInvalid:
        return
    found = read_record(caller=acme, collection=both_ways, record_id=made.id).fields
    expected = {} if value is None else fields
    assert (found, made.fields) == (expected, expected)


def test_nulls_are_no_values(acme: Caller, collection: str, stack: Stack) -> None:
    fields = {"name": "A", "card": None, "city": None}
    made = create_record(caller=acme, collection=collection, record=RecordInput("a", fields))
    assert made.fields == {"name": "A"}
    assert stored(stack, acme, collection) == {"records": 1, "parts": 0, "tokens": 0}


def test_the_same_id_again_is_refused_and_changes_nothing(acme: Caller, collection: str) -> None:
    first = create_record(caller=acme, collection=collection, record=RecordInput("a", ANN))
    with pytest.raises(RecordExists):
        create_record(caller=acme, collection=collection, record=RecordInput("a", {"name": "B"}))
    with pytest.raises(
        RecordExists
    ):  # not ValueNotUnique: a client that sends it again must see what it is
        create_record(caller=acme, collection=collection, record=RecordInput("a", ANN))
    assert read_record(caller=acme, collection=collection, record_id="a") == first


def test_the_same_unique_value_is_refused_whatever_its_spelling(
    acme: Caller, collection: str, stack: Stack
) -> None:
    create_record(caller=acme, collection=collection, record=RecordInput("a", ANN))
    other = {"name": "B", "email": " ANN@example.ORG", "card": "1"}
    with pytest.raises(ValueNotUnique) as caught:
        create_record(caller=acme, collection=collection, record=RecordInput("b", other))
    assert "example" not in str(caught.value).lower()
    assert stored(stack, acme, collection)["records"] == 1


@pytest.mark.parametrize("bad_id", ["", "-a", "a" * 129, "a b", "a/b", "a\n", "a\0", "ä", "\ud800"])
def test_a_bad_id_is_refused(acme: Caller, collection: str, bad_id: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        create_record(caller=acme, collection=collection, record=RecordInput(bad_id, {"name": "A"}))
    assert [place for place, _ in caught.value.problems] == ["/id"]


def test_every_good_id_is_taken(acme: Caller, collection: str) -> None:
    for good in ("0", "a" * 128, "a.b_c:d@e-f"):
        made = create_record(
            caller=acme, collection=collection, record=RecordInput(good, {"name": "A"})
        )
        assert made.id == good


def test_a_batch_has_an_answer_for_each_in_order(
    acme: Caller, collection: str, stack: Stack
) -> None:
    create_record(caller=acme, collection=collection, record=RecordInput("there", ANN))
    batch = [
        RecordInput("b1", {"name": "B", "email": "b@x.org", "card": "1"}),
        RecordInput("there", {"name": "C"}),
        RecordInput("b2", {"name": "D", "unknown": "x"}),
        RecordInput("b3", {"name": "E", "email": "ANN@example.org", "notes": {}}),
        RecordInput("b1", {"name": "F"}),
        RecordInput("b4", {"name": "G", "email": "B@X.ORG"}),
        RecordInput("bad id", {"name": "H"}),
        RecordInput(None, {"name": "I", "ssn": "078051120"}),
    ]
    results = create_records(caller=acme, collection=collection, records=batch)
    assert errors(results) == [
        "",
        "record_exists",
        "input_invalid",
        "value_not_unique",
        "record_exists",
        "value_not_unique",
        "input_invalid",
        "",
    ]
    assert stored(stack, acme, collection) == {"records": 3, "parts": 6, "tokens": 5}


def test_a_batch_of_nothing_is_answered_by_nothing(acme: Caller, collection: str) -> None:
    assert create_records(caller=acme, collection=collection, records=[]) == []


def test_a_batch_has_at_most_500_records(acme: Caller, collection: str) -> None:
    with pytest.raises(InputInvalid):
        create_records(
            caller=acme,
            collection=collection,
            records=[RecordInput(None, {"name": "A"})] * (MAX_BATCH + 1),
        )


def test_the_number_of_queries_does_not_depend_on_the_size_of_a_batch(
    acme: Caller, collection: str
) -> None:
    create_record(caller=acme, collection=collection, record=RecordInput("warm", ANN))
    counts = []
    for size in (1, 10, MAX_BATCH):
        batch = [
            RecordInput(f"{size}-{n}", {**ANN, "email": f"{size}-{n}@x.org"}) for n in range(size)
        ]
        with queries() as sent:
            assert (
                errors(create_records(caller=acme, collection=collection, records=batch))
                == [""] * size
            )
        counts.append([sql.split()[0].lower() for sql in sent])
    assert counts[0] == counts[1] == counts[2]
    assert counts[0].count("insert") == 3
    assert len(counts[0]) == 7


def test_of_many_who_create_the_same_one_is_told_yes(acme: Caller, collection: str) -> None:
    answers: list[str] = []
    batch = [RecordInput(f"r{n}", {"name": "A", "email": f"{n}@x.org"}) for n in range(20)]

    def create(records: list[RecordInput]) -> None:
        answers.extend(errors(create_records(caller=acme, collection=collection, records=records)))
        for connection in connections.all(initialized_only=True):
            connection.close()

    # In opposite orders: writers that lock in different orders would wait for each other for ever.
    orders = [batch, batch[::-1]] * 3
    threads = [threading.Thread(target=create, args=[order]) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [""] * 20 + ["record_exists"] * 100


def test_an_unknown_collection_is_refused(acme: Caller) -> None:
    with pytest.raises(CollectionNotFound):
        create_record(caller=acme, collection="nothing", record=RecordInput("a", ANN))


def test_a_key_that_may_only_read_creates_nothing(acme: Caller, collection: str) -> None:
    reader = replace(acme, scopes=frozenset(["records:read"]))
    with pytest.raises(ScopeMissing):
        create_record(caller=reader, collection=collection, record=RecordInput("a", ANN))


def with_rule(caller: Caller, **rule: Any) -> Caller:
    """The caller, as if its tenant had this rule for this Region. The key policy in KMS stays what it was."""
    here = replace(caller.rules["us-east-2"], **rule)
    return replace(caller, rules={**caller.rules, "us-east-2": here})


def test_a_region_that_may_not_encrypt_stores_clear_records_only(
    acme: Caller, collection: str, stack: Stack
) -> None:
    forbidden = with_rule(acme, may_encrypt=False)
    results = create_records(
        caller=forbidden,
        collection=collection,
        records=[RecordInput("a", ANN), RecordInput("b", {"name": "B"})],
    )
    assert errors(results) == ["region_not_allowed", ""]
    assert stored(stack, acme, collection) == {"records": 1, "parts": 0, "tokens": 0}


def test_a_region_that_may_not_decrypt_a_class_creates_no_searchable_values_of_it(
    acme: Caller, collection: str
) -> None:
    write_only = with_rule(acme, may_decrypt=("phi",))
    results = create_records(
        caller=write_only,
        collection=collection,
        records=[
            RecordInput("a", {"name": "A", "ssn": "1"}),
            RecordInput("b", {"name": "B", "card": "1"}),
        ],
    )
    assert errors(results) == ["region_not_allowed", ""]


def test_a_region_without_a_rule_stores_nothing(acme: Caller, collection: str) -> None:
    with pytest.raises(RegionNotAllowed):
        create_record(
            caller=replace(acme, rules={}),
            collection=collection,
            record=RecordInput("a", {"name": "A"}),
        )


def test_no_repr_of_a_record_shows_a_sealed_field(acme: Caller, collection: str) -> None:
    made = create_record(caller=acme, collection=collection, record=RecordInput("a", ANN))
    assert "078" not in repr([made, RecordInput("a", ANN)])


def test_large_records_pass_and_larger_ones_are_refused(acme: Caller, collection: str) -> None:
    big: dict[str, Any] = {"name": "A", "notes": ["x" * 65_000] * 16}
    create_record(caller=acme, collection=collection, record=RecordInput("big", big))
    assert read_record(caller=acme, collection=collection, record_id="big").fields == big
    with pytest.raises(InputInvalid):
        create_record(
            caller=acme,
            collection=collection,
            record=RecordInput("bigger", {"name": "A", "notes": ["x" * 65_000] * 17}),
        )
    with pytest.raises(RecordNotFound):
        read_record(caller=acme, collection=collection, record_id="bigger")
