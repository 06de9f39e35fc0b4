"""Data keys in the database: one active key a slot whoever comes first, old ones retired, and no other tenant's."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connections

from crypto.context import Purpose
from crypto.materials import DataKeySlot, StoredDataKey
from tenants.data_keys import DatabaseDataKeyStore
from tenants.models import DataKey
from tenants.scope import tenant_scope
from tests.cast import Cast

STORE = DatabaseDataKeyStore()
ARN = "arn:aws:kms:us-east-2:111122223333:key/mrk-" + "1" * 32
OTHER_ARN = "arn:aws:kms:us-east-2:111122223333:key/mrk-" + "2" * 32
NOW = datetime.now(UTC)


@pytest.fixture
def slot(cast: Cast) -> DataKeySlot:
    return DataKeySlot(cast.initech().id.hex, "pii", Purpose.RECORD, "us-east-2")


def key_of(
    slot: DataKeySlot, *, age: int = 0, shared: bool = True, arn: str = ARN
) -> StoredDataKey:
    """A data key that was made `age` hours ago, to live for a day."""
    made = NOW - timedelta(hours=age)
    return StoredDataKey(
        id=uuid4(),
        slot=slot,
        encrypted_data_key=os.urandom(64),
        key_arn=arn,
        key_material_id="material",
        created_at=made,
        expires_at=made + timedelta(days=1),
        shared=shared,
    )


def states(slot: DataKeySlot) -> dict[UUID, str]:
    tenant = UUID(slot.tenant)
    with tenant_scope(tenant, "latest"):
        return dict(DataKey.objects.filter(tenant_id=tenant).values_list("id", "state"))


def test_an_empty_slot_has_no_key(slot: DataKeySlot) -> None:
    assert STORE.find_active(slot) is None


def test_a_stored_key_is_found_as_it_was(slot: DataKeySlot) -> None:
    key = key_of(slot)
    assert STORE.add(key) == key
    assert STORE.find_active(slot) == key


def test_whoever_comes_second_gets_the_first_key(slot: DataKeySlot) -> None:
    first, second = key_of(slot), key_of(slot)
    STORE.add(first)
    assert STORE.add(second) == first
    assert states(slot) == {first.id: "active"}


def test_of_many_at_the_same_time_one_wins_and_all_get_it(slot: DataKeySlot) -> None:
    start, winners = threading.Barrier(8), []

    def add() -> None:
        start.wait()
        winners.append(STORE.add(key_of(slot)).id)
        for connection in connections.all(initialized_only=True):
            connection.close()

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 8
    assert states(slot) == {winners[0]: "active"}
    assert set(winners) == {winners[0]}


def test_an_expired_key_is_not_found_and_makes_room(slot: DataKeySlot) -> None:
    old, new = key_of(slot, age=25), key_of(slot)
    STORE.add(old)
    assert STORE.find_active(slot) is None
    assert STORE.add(new) == new
    assert states(slot) == {old.id: "retired", new.id: "active"}


def test_a_key_under_another_tenant_key_makes_room(slot: DataKeySlot) -> None:
    old, new = key_of(slot, arn=OTHER_ARN), key_of(slot)
    STORE.add(old)
    assert STORE.add(new) == new
    assert states(slot) == {old.id: "retired", new.id: "active"}


def test_a_related_key_of_another_region_does_not(slot: DataKeySlot) -> None:
    first = key_of(slot, arn=ARN.replace("us-east-2", "eu-west-1"))
    STORE.add(first)
    assert STORE.add(key_of(slot)) == first


def test_a_private_key_is_written_down_and_serves_nobody_else(slot: DataKeySlot) -> None:
    private = key_of(slot, shared=False)
    assert STORE.add(private) == private
    assert STORE.find_active(slot) is None
    assert states(slot) == {private.id: "private"}


def test_slots_differ_by_region_class_purpose_and_tenant(slot: DataKeySlot, cast: Cast) -> None:
    STORE.add(key_of(slot))
    for other in (
        replace(slot, region="eu-west-1"),
        replace(slot, classification="pci"),
        replace(slot, purpose=Purpose.INDEX, region=""),
        replace(slot, tenant=cast.initech().id.hex),
    ):
        assert STORE.find_active(other) is None
        mine = key_of(other)
        assert STORE.add(mine) == mine
    assert len(states(slot)) == 4


def test_an_index_key_that_never_ages_is_stored(slot: DataKeySlot) -> None:
    index = replace(slot, purpose=Purpose.INDEX, region="")
    key = replace(key_of(index), expires_at=datetime(9999, 1, 1, tzinfo=UTC))
    STORE.add(key)
    assert STORE.find_active(index) == key
