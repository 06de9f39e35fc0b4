"""The leakage note of a field: from counts of real tokens to what a reader of the database learns."""

from __future__ import annotations

from collections import Counter

import pytest

from crypto.blind_index import IndexKey, token
from tenants.errors import CollectionNotFound
from tenants.schema.leakage import Leakage, leakage
from tenants.selectors import Caller
from tenants.selectors.leakage import list_leakage
from tenants.services.records import RecordInput, create_records
from tests.callers import caller_of, shared_globex


def counted(values: list[str], length: int) -> Leakage:
    """What a query groups by: tokens by the records that bear them, and those numbers by how often they come."""
    key = IndexKey.derive(bytes(32))
    tokens = Counter(
        token(key, collection="people", field="name", value=value, length=length)
        for value in values
    )
    return leakage(Counter(tokens.values()), length=length)


def test_of_different_values_nothing_is_seen() -> None:
    found = counted([f"value {n}" for n in range(100)], 16)
    assert found[:4] == (100, 100, 100, 1)
    assert found.collisions < 1e-30


def test_records_that_share_a_value_are_seen_to() -> None:
    found = counted(["Ada"] * 3 + ["Grace"] * 2 + ["Radia"], 16)
    assert found[:4] == (6, 3, 1, 3)
    assert str(found).startswith(
        "6 records bear 3 different tokens. A reader of the database sees that 5 of them share their value"
    )
    assert "commonest value stands in 3." in str(found)


def test_short_tokens_are_shared_by_chance_about_as_often_as_estimated() -> None:
    values = [f"value {n}" for n in range(200_000)]
    found = counted(values, 4)
    assert len(values) - found.tokens == pytest.approx(found.collisions, abs=10)


def test_an_empty_index_tells_nothing() -> None:
    assert leakage({}) == (0, 0, 0, 0, 0.0)


def test_a_collection_tells_of_each_searchable_sealed_field(acme: Caller, collection: str) -> None:
    numbers = ["078-05-1120", "078 05 1120", "219-09-9999", "457-55-5462"]
    records = [
        RecordInput(f"r-{n}", {"name": "x", "city": "Rome", "ssn": number})
        for n, number in enumerate(numbers)
    ]
    create_records(caller=acme, collection=collection, records=records)
    found = list_leakage(acme, collection)
    assert found == {"email": (0, 0, 0, 0, 0.0), "ssn": leakage({1: 2, 2: 1})}
    assert found["ssn"][:4] == (4, 3, 2, 2)


def test_the_leakage_of_another_tenants_collection_is_not_found(
    acme: Caller, collection: str
) -> None:
    with pytest.raises(CollectionNotFound):
        list_leakage(caller_of(shared_globex()), collection)
