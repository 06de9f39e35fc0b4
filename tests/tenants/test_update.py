"""Changing records: only what was named, only in the version that was meant, and all of it or nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from crypto.envelope import Envelope
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
from tenants.selectors.records import fetch_to_change
from tenants.services.records import (
    Expectation,
    RecordInput,
    RecordView,
    SearchCondition,
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
        expected=Expectation(version=version),
    )


def read(caller: Caller, collection: str) -> RecordView:
    return read_record(caller=caller, collection=collection, record_id="ann")


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
    where = [SearchCondition(field, "eq", value)]
    page = search_records(caller=caller, collection=collection, where=where, limit=1)
    return bool(page.records)


def test_a_change_counts_the_version_and_answers_nothing_else(
    acme: Caller, collection: str
) -> None:
    changed = change(acme, collection, {"ssn": "1", "city": "Rome"})
    assert changed.version == 2
    assert changed.updated_at > changed.created_at
    expected = {**ANN, "ssn": "1", "city": "Rome"}
    assert read(acme, collection) == RecordView(
        "ann", 2, expected, changed.created_at, changed.updated_at
    )
    assert not hasattr(changed, "fields")


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
    assert read(acme, collection).version == 3


def test_null_empties_a_field_and_an_empty_part_goes(
    acme: Caller, collection: str, stack: Stack
) -> None:
    change(acme, collection, {"card": None, "ssn": None, "city": None})
    left = {"name": "Ann", "email": "ann@x.org", "notes": {"a": 1}}
    assert read(acme, collection).fields == left
    assert parts(stack, collection).keys() == {"pii", "phi"}
    assert not found(acme, collection, "ssn", "078-05-1120")
    assert not found(acme, collection, "city", "Paris")


def test_a_class_that_had_no_part_gets_one(acme: Caller, collection: str, stack: Stack) -> None:
    change(acme, collection, {"card": None})
    change(acme, collection, {"card": "5500"})
    assert parts(stack, collection)["pci"][0] == 3
    assert read(acme, collection).fields["card"] == "5500"


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
    assert read(acme, collection).fields == {
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
    record = read(acme, collection)
    assert record.fields == {**ANN, "card": "1", "ssn": "2", "notes": [3]}
    assert record.version == 4


def test_a_change_that_is_always_too_late_gives_up(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(update, "update_records", lambda *_: set())
    with pytest.raises(VersionConflict):
        change(acme, collection, {"city": "Rome"})


def test_a_stale_local_reader_is_not_believed(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[Mode] = []

    @contextmanager
    def stale(tenant_id: Any, mode: Mode, **more: Any) -> Iterator[None]:
        modes.append(mode)
        with tenant_scope(tenant_id, mode, **more):
            yield

    monkeypatch.setattr(update, "tenant_scope", stale)
    monkeypatch.setattr(
        update,
        "fetch_to_change",
        lambda *args, **named: None if modes[-1] == "read" else fetch_to_change(*args, **named),
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
            )


@pytest.mark.parametrize(
    "wrong", [{"unknown": 1}, {"ssn": 1}, {"name": None}, {"name": 1, "city": "Rome"}]
)
def test_a_wrong_change_is_refused_and_changes_nothing(
    acme: Caller, collection: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InputInvalid):
        change(acme, collection, wrong)
    assert read(acme, collection).version == 1


def test_the_sum_of_changes_may_not_outgrow_a_record(acme: Caller, collection: str) -> None:
    change(acme, collection, {"notes": ["x" * 65_000] * 15})
    with pytest.raises(InputInvalid):
        change(acme, collection, {"card": "x" * 65_000, "ssn": "x" * 65_000})


def test_a_key_that_may_only_write_may_change_since_nothing_is_answered(
    acme: Caller, collection: str
) -> None:
    change(replace(acme, scopes=frozenset(["records:write"])), collection, {"ssn": "1"})
    with pytest.raises(ScopeMissing):
        change(replace(acme, scopes=frozenset(["records:read"])), collection, {"city": "Rome"})


def limited(caller: Caller, **rule: Any) -> Caller:
    """The same where this Region's rule is another."""
    return replace(caller, rules={"us-east-2": replace(caller.rules["us-east-2"], **rule)})


@pytest.mark.parametrize(
    ("fields", "opened"),
    [
        ({"city": "Rome"}, []),
        ({"ssn": "1"}, ["pii"]),
        ({"ssn": None, "card": None}, ["pii"]),
        ({"card": "5500"}, []),
        ({"ssn": "1", "email": "a@x.org"}, []),
    ],
)
def test_a_part_is_opened_where_a_field_of_it_stays_and_no_other(
    acme: Caller,
    collection: str,
    fields: dict[str, Any],
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    open_message = Envelope.open

    def noted(self: Envelope, message: bytes, *, key: Any, context: Any) -> bytes:
        asked.append(context.classification)
        return open_message(self, message, key=key, context=context)

    with monkeypatch.context() as patch:
        patch.setattr(Envelope, "open", noted)
        change(acme, collection, fields)
    assert asked == opened
    changed = {name: value for name, value in {**ANN, **fields}.items() if value is not None}
    assert read(acme, collection).fields == changed


@pytest.mark.parametrize("fields", [{"city": "Rome"}, {"ssn": "1"}, {"card": "5"}, {"notes": [2]}])
def test_a_region_that_may_not_open_another_class_may_change_this_one(
    acme: Caller, collection: str, fields: dict[str, Any]
) -> None:
    change(limited(acme, may_decrypt=("pii",)), collection, fields)
    assert read(acme, collection).fields == {**ANN, **fields}


def test_a_change_of_clear_fields_needs_no_key(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Envelope, "open", None)
    monkeypatch.setattr(Envelope, "seal", None)
    change(limited(acme, may_encrypt=False, may_decrypt=()), collection, {"city": "Rome"})


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        ({"may_decrypt": ("pci", "phi")}, {"ssn": None}),
        ({"may_encrypt": False}, {"ssn": "1"}),
        ({"may_encrypt": False}, {"card": "1"}),
    ],
)
def test_a_region_rule_that_forbids_it_refuses_the_change(
    acme: Caller, collection: str, rule: dict[str, Any], fields: dict[str, Any]
) -> None:
    with pytest.raises(RegionNotAllowed):
        change(limited(acme, **rule), collection, fields)
    assert read(acme, collection).version == 1


def test_a_failure_in_the_middle_leaves_the_record_as_it_was(
    acme: Caller, collection: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (read(acme, collection), parts(stack, collection))

    def fail(*args: Any) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(update, "delete_parts", fail)
    with pytest.raises(RuntimeError):
        change(acme, collection, {"ssn": "1", "card": None, "city": "Rome"})
    after = (read(acme, collection), parts(stack, collection))
    assert after == before
    assert found(acme, collection, "ssn", "078051120")


def test_a_change_takes_a_bounded_number_of_queries(acme: Caller, collection: str) -> None:
    change(acme, collection, ANN)
    with queries() as sent:
        change(acme, collection, {**ANN, "notes": None})
    assert len(sent) <= 20
