"""Putting records: created or replaced whole, in the version that was expected, each of a batch by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from crypto.envelope import Envelope
from crypto.errors import KeyUnavailable
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
from tenants.selectors.records import fetch_versions
from tenants.services.records import (
    MAX_BATCH,
    Expectation,
    RecordFault,
    RecordPut,
    RecordView,
    SearchCondition,
    put_record,
    put_records,
    read_record,
    search_records,
    upsert,
)
from tests.stack import Stack
from tests.tenants.stored import ANN, errors, stored

NEW = Expectation(exists=False)


def put(
    caller: Caller, collection: str, fields: Any, record_id: str = "ann", **expected: Any
) -> RecordView:
    return put_record(
        caller=caller,
        collection=collection,
        record_id=record_id,
        fields=fields,
        expected=Expectation(**expected),
    )


def put_all(caller: Caller, collection: str, **emails: str) -> list[RecordView | RecordFault]:
    """One record an e-mail address, in this order."""
    puts = [RecordPut(each, {"name": "N", "email": email}) for each, email in emails.items()]
    return put_records(caller=caller, collection=collection, records=puts)


def read(caller: Caller, collection: str, record_id: str = "ann") -> RecordView:
    return read_record(caller=caller, collection=collection, record_id=record_id)


def found(caller: Caller, collection: str, field: str, value: str) -> list[str]:
    where = [SearchCondition(field, "eq", value)]
    page = search_records(caller=caller, collection=collection, where=where, limit=5)
    return [record.id for record in page.records]


def test_a_put_creates_and_then_replaces_the_whole_record(
    acme: Caller, collection: str, stack: Stack
) -> None:
    made = put(acme, collection, ANN)
    assert (made.version, made.fields) == (1, ANN)
    assert read(acme, collection) == made
    replaced = put(acme, collection, {"name": "Bea", "email": "bea@x.org"})
    assert (replaced.version, replaced.fields) == (2, {"name": "Bea", "email": "bea@x.org"})
    assert replaced.created_at == made.created_at < replaced.updated_at
    assert read(acme, collection) == replaced
    assert stored(stack, acme, collection) == {"records": 1, "parts": 1, "tokens": 1}
    assert found(acme, collection, "email", "bea@x.org") == ["ann"]
    assert found(acme, collection, "email", "ann@example.org") == []
    assert found(acme, collection, "city", "paris") == []


def test_the_same_again_changes_nothing_but_the_version(acme: Caller, collection: str) -> None:
    first, second = put(acme, collection, ANN), put(acme, collection, ANN)
    assert (first.version, second.version) == (1, 2)
    assert read(acme, collection).fields == first.fields
    assert found(acme, collection, "email", "ann@example.org") == ["ann"]


@pytest.mark.parametrize(
    ("expected", "there", "fits"),
    [
        ({}, False, True),
        ({}, True, True),
        ({"exists": False}, False, True),
        ({"exists": False}, True, False),
        ({"exists": True}, False, False),
        ({"exists": True}, True, True),
        ({"version": 1}, False, False),
        ({"version": 1}, True, True),
        ({"version": 2}, True, False),
        ({"version": 1, "made": 5}, True, False),
    ],
)
def test_what_is_expected_is_what_is_replaced(
    acme: Caller, collection: str, expected: dict[str, Any], there: bool, fits: bool
) -> None:
    if there:
        put(acme, collection, {"name": "Old"})
    if fits:
        assert put(acme, collection, {"name": "New"}, **expected).version == 1 + there
        return
    with pytest.raises(VersionConflict):
        put(acme, collection, {"name": "New"}, **expected)
    if there:
        assert read(acme, collection).fields == {"name": "Old"}
    else:
        with pytest.raises(RecordNotFound):
            read(acme, collection)


def test_nothing_is_opened_so_a_region_that_may_only_encrypt_can_put(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"name": "A", "card": "1", "notes": [1]}
    put(acme, collection, fields)
    here = replace(acme.rules["us-east-2"], may_decrypt=())
    monkeypatch.setattr(Envelope, "open", None)
    put(replace(acme, rules={"us-east-2": here}), collection, {**fields, "card": "2"})
    monkeypatch.undo()
    assert read(acme, collection).fields == {**fields, "card": "2"}


def test_each_of_a_batch_is_put_or_has_its_fault_in_order(acme: Caller, collection: str) -> None:
    put_all(acme, collection, there="there@x.org", taken="taken@x.org")
    puts = [
        RecordPut("new", {"name": "New"}),
        RecordPut("bad id", {"name": "X"}),
        RecordPut("there", {"name": "There", "card": "1"}),
        RecordPut("wrong", {"name": 5}),
        RecordPut("thief", {"name": "T", "email": "TAKEN@x.org"}),
        RecordPut("new", {"name": "Twice"}),
        RecordPut("taken", {"name": "T"}, NEW),
    ]
    results = put_records(caller=acme, collection=collection, records=puts)
    assert errors(results) == [
        "", "input_invalid", "", "input_invalid", "value_not_unique", "input_invalid", "version_conflict",
    ]  # fmt: skip
    assert read(acme, collection, "there").fields == {"name": "There", "card": "1"}
    assert found(acme, collection, "email", "taken@x.org") == ["taken"]
    assert put_all(acme, collection, other="there@x.org") == [read(acme, collection, "other")]


def test_a_record_with_a_value_that_is_taken_stays_as_it_was(
    acme: Caller, collection: str, stack: Stack
) -> None:
    put_all(acme, collection, a="a@x.org", b="b@x.org", c="c@x.org")
    before = stored(stack, acme, collection)
    assert errors(put_all(acme, collection, a="b@x.org", c="new@x.org")) == ["value_not_unique", ""]
    assert read(acme, collection, "a").fields["email"] == "a@x.org"
    assert read(acme, collection, "a").version == 1
    assert found(acme, collection, "email", "a@x.org") == ["a"]
    assert found(acme, collection, "email", "new@x.org") == ["c"]
    assert stored(stack, acme, collection) == before
    with pytest.raises(ValueNotUnique):
        put(acme, collection, {"name": "N", "email": "b@x.org"}, "a")


def test_values_may_move_within_a_batch_when_all_of_them_move(
    acme: Caller, collection: str
) -> None:
    put_all(acme, collection, a="a@x.org", b="b@x.org", c="c@x.org", d="d@x.org")
    assert errors(put_all(acme, collection, a="b@x.org", b="c@x.org", c="a@x.org")) == [""] * 3
    assert found(acme, collection, "email", "a@x.org") == ["c"]
    # d's is not free, so c keeps a@x.org, so a does not get it, so b does not get a's.
    moved = put_all(acme, collection, c="d@x.org", a="a@x.org", b="b@x.org", e="e@x.org")
    assert errors(moved) == ["value_not_unique"] * 3 + [""]
    assert [read(acme, collection, each).fields["email"] for each in "abcde"] == [
        f"{each}@x.org" for each in "bcade"
    ]


def test_puts_of_one_record_at_the_same_time_all_count(acme: Caller, collection: str) -> None:
    results: list[RecordView | RecordFault] = []

    def run(number: int) -> None:
        puts = [
            RecordPut(f"r{n}", {"name": str(number), "card": str(number)})
            for n in (range(5) if number % 2 else reversed(range(5)))
        ]
        results.extend(put_records(caller=acme, collection=collection, records=puts))
        for connection in connections.all(initialized_only=True):
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    views = [result for result in results if isinstance(result, RecordView)]
    assert set(errors(results)) <= {"", "version_conflict"}
    for n in range(5):
        mine = sorted(view.version for view in views if view.id == f"r{n}")
        assert mine == list(range(1, len(mine) + 1))
        last = max((v for v in views if v.id == f"r{n}"), key=lambda view: view.version)
        assert read(acme, collection, f"r{n}") == last


def test_a_put_that_is_always_too_late_gives_up(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(acme, collection, {"name": "A"})
    monkeypatch.setattr(upsert, "update_records", lambda *_: set())
    with pytest.raises(VersionConflict, match="keeps changing"):
        put(acme, collection, {"name": "B"})


def test_a_stale_local_reader_is_not_believed(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(acme, collection, {"name": "A"})
    modes: list[Mode] = []

    @contextmanager
    def stale(tenant_id: Any, mode: Mode, **more: Any) -> Iterator[None]:
        modes.append(mode)
        with tenant_scope(tenant_id, mode, **more):
            yield

    monkeypatch.setattr(upsert, "tenant_scope", stale)
    monkeypatch.setattr(
        upsert, "fetch_versions", lambda *args: {} if modes[-1] == "read" else fetch_versions(*args)
    )
    assert put(acme, collection, {"name": "B"}, version=1).version == 2
    assert modes == ["read", "latest", "write"]
    assert put(acme, collection, {"name": "C"}).version == 3
    assert modes[3:] == ["read", "write", "latest", "write"]


def test_where_a_key_fails_the_other_records_are_put_and_it_is_asked_once(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal, asked = Envelope.seal, []

    def seal_without_pci(self: Envelope, plaintext: bytes, *, key: Any, context: Any) -> Any:
        if context.classification == "pci":
            asked.append(context)
            raise KeyUnavailable("kms:GenerateDataKey in us-east-2: throttled.")
        return seal(self, plaintext, key=key, context=context)

    monkeypatch.setattr(Envelope, "seal", seal_without_pci)
    puts = [
        RecordPut(f"r{n}", {"name": "A", **({"card": "1"} if n % 2 else {"ssn": "1"})})
        for n in range(6)
    ]
    results = put_records(caller=acme, collection=collection, records=puts)
    assert errors(results) == ["", "key_unavailable"] * 3
    assert len(asked) == 1


def test_a_failure_in_the_middle_leaves_the_record_as_it_was(
    acme: Caller, collection: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(acme, collection, ANN)
    before = (read(acme, collection), stored(stack, acme, collection))

    def fail(*_: Any) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(upsert, "delete_old_parts", fail)
    with pytest.raises(RuntimeError):
        put(acme, collection, {"name": "B"})
    assert (read(acme, collection), stored(stack, acme, collection)) == before
    assert found(acme, collection, "email", "ann@example.org") == ["ann"]


def test_a_put_needs_the_scope_and_the_regions_rule(acme: Caller, collection: str) -> None:
    with pytest.raises(ScopeMissing):
        put(replace(acme, scopes=frozenset(["records:read"])), collection, ANN)
    here = replace(acme.rules["us-east-2"], may_encrypt=False)
    with pytest.raises(RegionNotAllowed):
        put(replace(acme, rules={"us-east-2": here}), collection, ANN)
    put(replace(acme, rules={"us-east-2": here}), collection, {"name": "clear"})
    with pytest.raises(RegionNotAllowed):
        put(replace(acme, rules={}), collection, {"name": "A"})


def test_a_batch_has_a_limit(acme: Caller, collection: str) -> None:
    with pytest.raises(InputInvalid):
        put_records(
            caller=acme, collection=collection, records=[RecordPut("x", ANN)] * (MAX_BATCH + 1)
        )
