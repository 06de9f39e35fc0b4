"""Changing records: only what was named, only in the version that was meant, and all of it or nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from tenants.errors import (
    InputInvalid,
    RecordNotFound,
    RegionNotAllowed,
    ScopeMissing,
    ValueNotUnique,
    VersionConflict,
)
from tenants.scope import Mode, tenant_scope
from tenants.selectors import Caller
from tenants.selectors.records import Fetched, fetch_records
from tenants.services.records import (
    RecordInput,
    create_record,
    read_record,
    search_records,
    update,
    update_record,
)
from tests.callers import as_superuser, queries
from tests.stack import Stack

ANN: dict[str, Any] = {
    "name": "Ann",
    "city": "Paris",
    "email": "ann@x.org",
    "ssn": "078-05-1120",
    "notes": {"a": 1},
    "card": "4111",
}


@pytest.fixture(autouse=True)
def ann(acme: Caller, collection: str) -> None:
    create_record(caller=acme, collection=collection, record=RecordInput("ann", ANN))


def change(caller: Caller, collection: str, fields: Any, version: int | None = None) -> Any:
    return update_record(
        caller=caller,
        collection=collection,
        record_id="ann",
        fields=fields,
        expected_version=version,
    )


def parts(stack: Stack, collection: str) -> dict[str, tuple[int, bytes]]:
    rows = as_superuser(
        stack,
        "select p.classification, p.version, p.message from tenants_sealedpart p"
        " join tenants_record r on r.id = p.record join tenants_collection c on c.id = r.collection_id"
        " where c.name = %s",
        collection,
    )
    return {name: (version, bytes(message)) for name, version, message in rows}


def found(caller: Caller, collection: str, field: str, value: str) -> bool:
    return bool(
        search_records(caller=caller, collection=collection, field=field, value=value, limit=1)
    )


def test_a_change_answers_the_whole_record_and_counts_the_version(
    acme: Caller, collection: str
) -> None:
    changed = change(acme, collection, {"ssn": "1", "city": "Rome"})
    assert changed.version == 2
    assert changed.fields == {**ANN, "ssn": "1", "city": "Rome"}
    assert changed.updated_at > changed.created_at
    assert read_record(caller=acme, collection=collection, record_id="ann") == changed


def test_only_the_parts_that_hold_the_fields_are_sealed_anew(
    acme: Caller, collection: str, stack: Stack
) -> None:
    before = parts(stack, collection)
    change(acme, collection, {"ssn": "1"})
    after = parts(stack, collection)
    assert {name for name in after if after[name] != before[name]} == {"pii"}
    assert (after["pii"][0], after["pci"][0]) == (2, 1)
    change(acme, collection, {"card": "5500"})
    assert {name: version for name, (version, _) in parts(stack, collection).items()} == {
        "pii": 2,
        "pci": 3,
        "phi": 1,
    }
    assert read_record(caller=acme, collection=collection, record_id="ann").version == 3


def test_null_empties_a_field_and_an_empty_part_goes(
    acme: Caller, collection: str, stack: Stack
) -> None:
    changed = change(acme, collection, {"card": None, "ssn": None, "city": None})
    assert changed.fields == {"name": "Ann", "email": "ann@x.org", "notes": {"a": 1}}
    assert parts(stack, collection).keys() == {"pii", "phi"}
    assert not found(acme, collection, "ssn", "078-05-1120")
    assert not found(acme, collection, "city", "Paris")
    assert read_record(caller=acme, collection=collection, record_id="ann") == changed


def test_a_class_that_had_no_part_gets_one(acme: Caller, collection: str, stack: Stack) -> None:
    change(acme, collection, {"card": None})
    change(acme, collection, {"card": "5500"})
    assert parts(stack, collection)["pci"][0] == 3
    assert read_record(caller=acme, collection=collection, record_id="ann").fields["card"] == "5500"


def test_search_follows_the_change(acme: Caller, collection: str) -> None:
    change(acme, collection, {"ssn": "219-09-9999", "name": "Anna"})
    assert found(acme, collection, "ssn", "219099999")
    assert not found(acme, collection, "ssn", "078051120")
    assert found(acme, collection, "email", "ann@x.org")


def test_a_unique_value_may_be_kept_or_moved_and_not_taken(acme: Caller, collection: str) -> None:
    create_record(
        caller=acme,
        collection=collection,
        record=RecordInput("bob", {"name": "B", "email": "bob@x.org"}),
    )
    change(acme, collection, {"email": "ANN@x.org"})
    with pytest.raises(ValueNotUnique):
        change(acme, collection, {"email": "bob@x.org", "city": "Oslo"})
    assert read_record(caller=acme, collection=collection, record_id="ann").fields == {
        **ANN,
        "email": "ANN@x.org",
    }
    change(acme, collection, {"email": "new@x.org"})
    create_record(
        caller=acme,
        collection=collection,
        record=RecordInput("cat", {"name": "C", "email": "ann@x.org"}),
    )


def test_the_version_that_was_meant_is_changed_and_no_other(acme: Caller, collection: str) -> None:
    change(acme, collection, {"city": "Rome"}, 1)
    for version in (1, 3, 0, -1):
        with pytest.raises(VersionConflict):
            change(acme, collection, {"city": "Oslo"}, version)
    assert change(acme, collection, {"city": "Bern"}, 2).version == 3


def test_concurrent_changes_of_different_fields_all_stay(acme: Caller, collection: str) -> None:
    failures: list[Exception] = []

    def run(fields: dict[str, Any]) -> None:
        try:
            change(acme, collection, fields)
        except Exception as error:
            failures.append(error)
        for connection in connections.all(initialized_only=True):
            connection.close()

    changes = [{"card": "1"}, {"ssn": "2"}, {"notes": [3]}]
    threads = [threading.Thread(target=run, args=[fields]) for fields in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    record = read_record(caller=acme, collection=collection, record_id="ann")
    assert record.fields == {**ANN, "card": "1", "ssn": "2", "notes": [3]}
    assert record.version == 4


def test_a_change_that_is_always_too_late_gives_up(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update, "update_record_row", lambda *_: False)
    with pytest.raises(VersionConflict):
        change(acme, collection, {"city": "Rome"})


def test_a_stale_local_reader_is_not_believed(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[Mode] = []

    @contextmanager
    def stale(tenant_id: Any, mode: Mode) -> Iterator[None]:
        modes.append(mode)
        with tenant_scope(tenant_id, mode):
            yield

    monkeypatch.setattr(update, "tenant_scope", stale)
    monkeypatch.setattr(
        update,
        "fetch_records",
        lambda *args: Fetched([], frozenset()) if modes[-1] == "read" else fetch_records(*args),
    )
    assert change(acme, collection, {"city": "Rome"}, 1).version == 2
    assert modes == ["read", "latest", "write"]


def test_what_is_not_there_is_not_found(acme: Caller, collection: str) -> None:
    for absent in ("nobody", "bad id", "a\0"):
        with pytest.raises(RecordNotFound):
            update_record(
                caller=acme,
                collection=collection,
                record_id=absent,
                fields={"city": "Rome"},
                expected_version=None,
            )


@pytest.mark.parametrize(
    "wrong", [{"unknown": 1}, {"ssn": 1}, {"name": None}, {"name": 1, "city": "Rome"}]
)
def test_a_wrong_change_is_refused_and_changes_nothing(
    acme: Caller, collection: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InputInvalid):
        change(acme, collection, wrong)
    assert read_record(caller=acme, collection=collection, record_id="ann").version == 1


def test_the_sum_of_changes_may_not_outgrow_a_record(acme: Caller, collection: str) -> None:
    change(acme, collection, {"notes": ["x" * 65_000] * 15})
    with pytest.raises(InputInvalid):
        change(acme, collection, {"card": "x" * 65_000, "ssn": "x" * 65_000})


def test_a_change_needs_both_scopes_since_it_answers_the_record(
    acme: Caller, collection: str
) -> None:
    for scope in ("records:read", "records:write"):
        with pytest.raises(ScopeMissing):
            change(replace(acme, scopes=frozenset([scope])), collection, {"city": "Rome"})


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ({"may_decrypt": ("pii", "phi")}, {"city": "Rome"}),
        ({"may_encrypt": False}, {"ssn": "1"}),
    ],
)
def test_a_region_rule_that_forbids_it_refuses_the_change(
    acme: Caller, collection: str, rule: dict[str, Any], fields: dict[str, Any]
) -> None:
    here = replace(acme.rules["us-east-2"], **rule)
    with pytest.raises(RegionNotAllowed):
        change(replace(acme, rules={"us-east-2": here}), collection, fields)
    assert read_record(caller=acme, collection=collection, record_id="ann").version == 1


def test_a_failure_in_the_middle_leaves_the_record_as_it_was(
    acme: Caller, collection: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (
        read_record(caller=acme, collection=collection, record_id="ann"),
        parts(stack, collection),
    )

    def fail(*args: Any) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(update, "delete_parts", fail)
    with pytest.raises(RuntimeError):
        change(acme, collection, {"ssn": "1", "card": None, "city": "Rome"})
    after = (
        read_record(caller=acme, collection=collection, record_id="ann"),
        parts(stack, collection),
    )
    assert after == before
    assert found(acme, collection, "ssn", "078051120")


def test_a_change_takes_a_bounded_number_of_queries(acme: Caller, collection: str) -> None:
    change(acme, collection, ANN)
    with queries() as sent:
        change(acme, collection, {**ANN, "notes": None})
    assert len(sent) <= 20
