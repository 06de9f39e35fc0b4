"""Deleting records: with all that belongs to them, and only the version that was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tenants.errors import (
    CollectionNotFound,
    RecordNotFound,
    RegionNotAllowed,
    ScopeMissing,
    VersionConflict,
)
from tenants.selectors import Caller
from tenants.services.records import (
    Expectation,
    RecordInput,
    SearchCondition,
    create_record,
    delete_record,
    read_record,
    search_records,
)
from tests.callers import as_superuser
from tests.stack import Stack


@pytest.fixture(autouse=True)
def ann(acme: Caller, collection: str) -> None:
    fields = {"name": "Ann", "email": "ann@x.org", "ssn": "1", "card": "4111"}
    create_record(caller=acme, collection=collection, record=RecordInput("ann", fields))


def delete(
    caller: Caller, collection: str, record_id: str = "ann", version: int | None = None
) -> None:
    expected = Expectation(version=version)
    delete_record(caller=caller, collection=collection, record_id=record_id, expected=expected)


def test_a_deleted_record_is_gone_with_its_parts_and_tokens(
    acme: Caller, collection: str, stack: Stack
) -> None:
    [(row,)] = as_superuser(
        stack,
        "select r.id from tenants_record r join tenants_collection c on c.id = r.collection_id where c.name = %s",
        collection,
    )
    delete(acme, collection)
    with pytest.raises(RecordNotFound):
        read_record(caller=acme, collection=collection, record_id="ann")
    left = as_superuser(
        stack,
        "select (select count(*) from tenants_sealedpart where record = %s),"
        " (select count(*) from tenants_blindindexentry where record = %s)",
        row,
        row,
    )
    assert left == [(0, 0)]
    where = [SearchCondition("ssn", "eq", "1")]
    page = search_records(caller=acme, collection=collection, where=where, limit=1)
    assert page.records == []


def test_its_id_and_unique_values_are_free_again(acme: Caller, collection: str) -> None:
    delete(acme, collection)
    fields = {"name": "Ann", "email": "ann@x.org"}
    create_record(caller=acme, collection=collection, record=RecordInput("ann", fields))


def test_only_the_version_that_was_meant_is_deleted(acme: Caller, collection: str) -> None:
    for version in (0, 2, 2**40):
        with pytest.raises(VersionConflict):
            delete(acme, collection, version=version)
    delete(acme, collection, version=1)


def test_what_is_not_there_is_not_found(acme: Caller, collection: str) -> None:
    for absent in ("nobody", "bad id", "a\0"):
        with pytest.raises(RecordNotFound):
            delete(acme, collection, absent)
    with pytest.raises(RecordNotFound):
        delete(acme, collection, "nobody", version=1)
    with pytest.raises(CollectionNotFound):
        delete(acme, "nothing")


def test_a_key_that_may_only_read_deletes_nothing(acme: Caller, collection: str) -> None:
    with pytest.raises(ScopeMissing):
        delete(replace(acme, scopes=frozenset(["records:read"])), collection)
    read_record(caller=acme, collection=collection, record_id="ann")


def test_a_region_without_a_rule_deletes_nothing(acme: Caller, collection: str) -> None:
    with pytest.raises(RegionNotAllowed):
        delete(replace(acme, rules={}), collection)
    read_record(caller=acme, collection=collection, record_id="ann")
