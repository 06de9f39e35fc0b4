"""Whoever may write to the database may not make a record say what it never said: tampering fails as one error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from crypto.errors import DecryptionFailed
from tenants.selectors import Caller
from tenants.services.collections import define_collection
from tenants.services.records import (
    RecordFault,
    RecordInput,
    create_record,
    read_record,
    read_records,
    update_record,
)
from tests.callers import as_superuser, caller_of, people, shared_globex
from tests.cast import as_region
from tests.stack import Stack

FIELDS: dict[str, Any] = {"name": "Ann", "ssn": "078-05-1120", "card": "4111", "notes": ["n"]}

Tamper = Callable[..., int]


def create(stack: Stack, caller: Caller, collection: str, record_id: str, **fields: Any) -> UUID:
    """Create a record; the id of its row."""
    create_record(
        caller=caller, collection=collection, record=RecordInput(record_id, FIELDS | fields)
    )
    [(row,)] = as_superuser(
        stack,
        "select r.id from tenants_record r join tenants_collection c on c.id = r.collection_id"
        " where c.tenant_id = %s and c.name = %s and r.record_id = %s",
        caller.tenant_id,
        collection,
        record_id,
    )
    assert isinstance(row, UUID)
    return row


@pytest.fixture
def a(acme: Caller, collection: str, stack: Stack) -> UUID:
    """The row of the record `a`."""
    return create(stack, acme, collection, "a")


@pytest.fixture
def b(acme: Caller, collection: str, stack: Stack) -> UUID:
    """The row of the record `b`."""
    return create(stack, acme, collection, "b")


def assert_does_not_open(caller: Caller, collection: str, *ids: str) -> None:
    for record_id in ids:
        with pytest.raises(DecryptionFailed) as caught:
            read_record(caller=caller, collection=collection, record_id=record_id)
        assert str(caught.value) == DecryptionFailed.TEXT


def test_swapped_parts_of_two_records(
    acme: Caller, collection: str, stack: Stack, a: UUID, b: UUID
) -> None:
    changed = as_superuser(
        stack,
        "update tenants_sealedpart p set message = o.message from tenants_sealedpart o"
        " where p.record = any(%s) and o.record = any(%s) and p.record <> o.record"
        " and p.classification = 'pii' and o.classification = 'pii' returning 1",
        [a, b],
        [a, b],
    )
    assert len(changed) == 2
    assert_does_not_open(acme, collection, "a", "b")


def test_a_record_under_another_id(acme: Caller, collection: str, stack: Stack, a: UUID) -> None:
    sql = "update tenants_record set record_id = 'z' where id = %s returning 1"
    assert as_superuser(stack, sql, a)
    assert_does_not_open(acme, collection, "z")


def test_a_part_of_another_class(acme: Caller, collection: str, stack: Stack, a: UUID) -> None:
    assert as_superuser(
        stack,
        "update tenants_sealedpart p set message = o.message from tenants_sealedpart o"
        " where p.record = %s and o.record = p.record"
        " and p.classification = 'pii' and o.classification = 'pci' returning 1",
        a,
    )
    assert_does_not_open(acme, collection, "a")


@pytest.mark.parametrize("name", ["gold", "*", ""])
def test_a_class_that_the_schema_does_not_know(
    acme: Caller, collection: str, stack: Stack, a: UUID, name: str
) -> None:
    assert as_superuser(
        stack,
        "update tenants_sealedpart set classification = %s"
        " where record = %s and classification = 'pii' returning 1",
        name,
        a,
    )
    assert_does_not_open(acme, collection, "a")


def test_a_record_in_another_collection(
    acme: Caller, collection: str, stack: Stack, a: UUID
) -> None:
    other = people(acme)
    assert as_superuser(
        stack,
        "update tenants_record set collection_id = (select id from tenants_collection where name = %s)"
        " where id = %s returning 1",
        other,
        a,
    )
    assert_does_not_open(acme, other, "a")


def test_an_old_part_in_a_newer_row(acme: Caller, collection: str, stack: Stack, a: UUID) -> None:
    [(old,)] = as_superuser(
        stack,
        "select message from tenants_sealedpart where record = %s and classification = 'pci'",
        a,
    )
    update_record(caller=acme, collection=collection, record_id="a", fields={"card": "5"})
    assert as_superuser(
        stack,
        "update tenants_sealedpart set message = %s"
        " where record = %s and classification = 'pci' returning 1",
        old,
        a,
    )
    assert_does_not_open(acme, collection, "a")


def test_a_part_under_another_version(acme: Caller, collection: str, stack: Stack, a: UUID) -> None:
    sql = "update tenants_sealedpart set version = 2 where record = %s returning 1"
    assert len(as_superuser(stack, sql, a)) == 3
    assert_does_not_open(acme, collection, "a")


@pytest.mark.parametrize(
    "damage",
    [
        lambda message: message[:-1] + bytes([message[-1] ^ 1]),
        lambda message: message[:40] + bytes([message[40] ^ 1]) + message[41:],
        lambda message: message[:200],
        lambda message: message + b"\0",
        lambda _: b"",
    ],
    ids=["tag", "context", "truncated", "longer", "empty"],
)
def test_a_damaged_part_and_the_others_of_a_batch_open(
    acme: Caller, collection: str, stack: Stack, a: UUID, damage: Callable[[bytes], bytes]
) -> None:
    create(stack, acme, collection, "b")
    select = "select message from tenants_sealedpart where record = %s and classification = 'phi'"
    [(message,)] = as_superuser(stack, select, a)
    assert as_superuser(
        stack,
        "update tenants_sealedpart set message = %s"
        " where record = %s and classification = 'phi' returning 1",
        damage(bytes(message)),
        a,
    )
    assert_does_not_open(acme, collection, "a")
    first, second = read_records(caller=acme, collection=collection, record_ids=["a", "b"])
    assert isinstance(first, RecordFault)
    assert not isinstance(second, RecordFault)


def test_the_part_of_another_tenant(acme: Caller, collection: str, stack: Stack, a: UUID) -> None:
    with as_region("eu-west-1"):
        globex = caller_of(shared_globex())
        theirs = create(stack, globex, people(globex), "a")
    changed = as_superuser(
        stack,
        "update tenants_sealedpart p set message = o.message from tenants_sealedpart o"
        " where p.record = %s and o.record = %s and p.classification = o.classification returning 1",
        a,
        theirs,
    )
    assert len(changed) == 3
    assert_does_not_open(acme, collection, "a")


def test_a_required_part_that_was_taken_away(acme: Caller, collection: str, stack: Stack) -> None:
    sealed = {"name": "x", "type": "string", "protection": "sealed", "classification": "pii"}
    strict = f"{collection}-strict"
    define_collection(caller=acme, name=strict, document={"fields": [{**sealed, "required": True}]})
    create_record(caller=acme, collection=strict, record=RecordInput("a", {"x": "1"}))
    assert as_superuser(
        stack,
        "delete from tenants_sealedpart p using tenants_record r, tenants_collection c"
        " where p.record = r.id and r.collection_id = c.id and c.name = %s returning 1",
        strict,
    )
    assert_does_not_open(acme, strict, "a")


def test_a_forged_clear_field_does_not_stand_in_for_a_sealed_one(
    acme: Caller, collection: str, stack: Stack
) -> None:
    row = create(stack, acme, collection, "a", notes=None)
    assert as_superuser(
        stack,
        "update tenants_record set clear = clear || %s::jsonb where id = %s returning 1",
        '{"ssn": "666", "notes": "forged"}',
        row,
    )
    shown = read_record(caller=acme, collection=collection, record_id="a").fields
    assert shown == {"name": "Ann", "ssn": "078-05-1120", "card": "4111"}
