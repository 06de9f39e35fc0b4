"""Reading records: whole or not at all, in order, and tampering is found out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crypto.envelope import Envelope
from crypto.errors import KeyUnavailable
from tenants.errors import (
    AnswerFull,
    CollectionNotFound,
    InputInvalid,
    RecordNotFound,
    RegionNotAllowed,
    ScopeMissing,
    TenantNotActive,
)
from tenants.selectors import Caller
from tenants.services.records import (
    MAX_BATCH,
    RecordFault,
    RecordInput,
    create_record,
    create_records,
    list_records,
    read_record,
    read_records,
)
from tests.callers import queries

FIELDS: dict[str, Any] = {"name": "Ann", "ssn": "078-05-1120", "card": "4111", "notes": ["n"]}


def create(caller: Caller, collection: str, *ids: str, **fields: Any) -> None:
    for record_id in ids:
        create_record(
            caller=caller, collection=collection, record=RecordInput(record_id, FIELDS | fields)
        )


def read(caller: Caller, collection: str, record_id: str) -> Any:
    return read_record(caller=caller, collection=collection, record_id=record_id).fields


def test_absent_records_and_collections_are_not_found(acme: Caller, collection: str) -> None:
    for absent in ("nobody", "", "a\0", "a" * 200, "\ud800"):
        with pytest.raises(RecordNotFound):
            read(acme, collection, absent)
    with pytest.raises(CollectionNotFound):
        read(acme, "nothing", "a")


def test_many_are_answered_in_the_order_that_they_were_asked_for(
    acme: Caller, collection: str
) -> None:
    create(acme, collection, "a", "b", "c")
    results = read_records(
        caller=acme, collection=collection, record_ids=["c", "nobody", "a", "bad id", "c"]
    )
    shown = [r.error.code if isinstance(r, RecordFault) else r.id for r in results]
    assert shown == ["c", "record_not_found", "a", "record_not_found", "c"]


LARGE = "x" * 60_000


def store_large(caller: Caller, collection: str, *ids: str) -> None:
    """Records of about a tenth of a mebibyte."""
    for record_id in ids:
        create(caller, collection, record_id, notes=[LARGE], name=LARGE)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer takes two such records: the second begins below the limit."""
    monkeypatch.setattr("tenants.selectors.records.MAX_ANSWER_BYTES", 150_000)
    monkeypatch.setattr("tenants.services.records.reading.MAX_ANSWER_BYTES", 150_000)


def test_an_answer_that_is_full_says_so_for_each_record_that_it_leaves_off(
    acme: Caller, collection: str, narrow: None
) -> None:
    store_large(acme, collection, "a", "b", "c")
    asked = ["c", "a", "nobody", "b"]
    results = read_records(caller=acme, collection=collection, record_ids=asked)
    shown = [r.error.code if isinstance(r, RecordFault) else r.id for r in results]
    assert shown == ["answer_full", "a", "record_not_found", "b"]
    assert read(acme, collection, "c")["name"] == LARGE


def test_a_record_that_is_asked_for_again_and_again_fills_the_answer_too(
    acme: Caller, collection: str, narrow: None
) -> None:
    store_large(acme, collection, "a")
    results = read_records(caller=acme, collection=collection, record_ids=["a"] * MAX_BATCH)
    faults = [result for result in results if isinstance(result, RecordFault)]
    assert len(faults) == MAX_BATCH - 2
    assert all(isinstance(fault.error, AnswerFull) for fault in faults)


def test_pages_of_large_records_are_shorter_and_none_is_left_out(
    acme: Caller, collection: str, narrow: None
) -> None:
    store_large(acme, collection, "a", "b", "c", "d", "e")
    pages, after = [], None
    while True:
        page = list_records(caller=acme, collection=collection, after=after, limit=500)
        pages.append([record.id for record in page.records])
        after = page.next
        if after is None:
            break
    assert pages == [["a", "b"], ["c", "d"], ["e"]]


def test_a_record_larger_than_an_answer_is_answered_alone(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_large(acme, collection, "a", "b")
    monkeypatch.setattr("tenants.selectors.records.MAX_ANSWER_BYTES", 1)
    page = list_records(caller=acme, collection=collection, after=None, limit=5)
    assert [record.id for record in page.records] == ["a"]
    assert page.next == "a"


def test_reading_takes_the_same_number_of_queries_for_one_and_for_500(
    acme: Caller, collection: str
) -> None:
    ids = [f"r{n}" for n in range(MAX_BATCH)]
    records = [RecordInput(record_id, FIELDS) for record_id in ids]
    create_records(caller=acme, collection=collection, records=records)
    with queries() as one:
        read(acme, collection, "r0")
    with queries() as many:
        assert not any(
            isinstance(result, RecordFault)
            for result in read_records(caller=acme, collection=collection, record_ids=ids)
        )
    assert len(one) == len(many) <= 7
    with pytest.raises(InputInvalid):
        read_records(caller=acme, collection=collection, record_ids=[*ids, "more"])


def test_pages_hold_every_record_once_in_the_order_of_ids(acme: Caller, collection: str) -> None:
    create(acme, collection, "d", "b", "a", "c", "e")
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = list_records(caller=acme, collection=collection, after=after, limit=2)
        seen += [record.id for record in page.records]
        after = page.next
    assert seen == ["a", "b", "c", "d", "e"]
    assert after is None


def test_an_empty_collection_is_one_empty_page(acme: Caller, collection: str) -> None:
    page = list_records(caller=acme, collection=collection, after=None, limit=10)
    assert (page.records, page.next) == ([], None)


@pytest.mark.parametrize(("after", "limit"), [(None, 0), (None, 501), ("bad id", 1), ("a\0", 1)])
def test_a_page_that_cannot_be_is_refused(
    acme: Caller, collection: str, after: str | None, limit: int
) -> None:
    with pytest.raises(InputInvalid):
        list_records(caller=acme, collection=collection, after=after, limit=limit)


def test_a_key_that_may_only_write_reads_nothing(acme: Caller, collection: str) -> None:
    writer = replace(acme, scopes=frozenset(["records:write"]))
    for attempt in (
        lambda: read(writer, collection, "a"),
        lambda: list_records(caller=writer, collection=collection, after=None, limit=1),
    ):
        with pytest.raises(ScopeMissing):
            attempt()


def test_a_tenant_that_is_not_active_is_not_served(acme: Caller, collection: str) -> None:
    create(acme, collection, "a")
    with pytest.raises(TenantNotActive):
        read(replace(acme, state="revoked"), collection, "a")


def test_where_one_class_may_not_be_decrypted_the_whole_record_is_refused(
    acme: Caller, collection: str
) -> None:
    create(acme, collection, "a")
    create_record(
        caller=acme, collection=collection, record=RecordInput("b", {"name": "B", "ssn": "1"})
    )
    rule = replace(acme.rules["us-east-2"], may_decrypt=("pii",))
    limited = replace(acme, rules={"us-east-2": rule})
    with pytest.raises(RegionNotAllowed, match="pci, phi"):
        read(limited, collection, "a")
    assert read(limited, collection, "b") == {"name": "B", "ssn": "1"}
    with pytest.raises(RegionNotAllowed):
        list_records(caller=limited, collection=collection, after=None, limit=10)


def test_a_region_without_a_rule_reads_nothing(acme: Caller, collection: str) -> None:
    create(acme, collection, "a")
    with pytest.raises(RegionNotAllowed):
        read(replace(acme, rules={}), collection, "a")


def test_a_key_that_fails_is_asked_once_for_a_whole_batch(
    acme: Caller, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(acme, collection, "a", "b", "c")
    asked = []

    def unavailable(self: Envelope, message: bytes, *, key: Any, context: Any) -> bytes:
        asked.append(context)
        raise KeyUnavailable("kms:Decrypt in us-east-2: throttled.")

    monkeypatch.setattr(Envelope, "open", unavailable)
    results = read_records(caller=acme, collection=collection, record_ids=["a", "b", "c"])
    assert [r.error.code for r in results if isinstance(r, RecordFault)] == ["key_unavailable"] * 3
    assert len(asked) == 1
