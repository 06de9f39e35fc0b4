"""Data keys: shared by the store, renewed by age and count, never kept where KMS would not open them."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crypto.arn import KeyArn
from crypto.conf import CryptoSettings
from crypto.context import EncryptionContext, Purpose
from crypto.errors import KeyAccessDenied
from crypto.keyring import GeneratedDataKey, PlaintextDataKey, TenantKeyRef
from crypto.materials import DataKeySlot, Materials, StoredDataKey
from tests.crypto.sdk import ARN

ACME = TenantKeyRef("acme", 1, KeyArn.parse(ARN), ("us-east-2",))
PII = EncryptionContext("acme", "pii", Purpose.RECORD)


class Store:
    """What the database does, in a dictionary."""

    def __init__(self) -> None:
        self.active: dict[DataKeySlot, StoredDataKey] = {}
        self.all: list[StoredDataKey] = []

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        return self.active.get(slot)

    def add(self, key: StoredDataKey) -> StoredDataKey:
        if key.shared:
            held = self.active.get(key.slot)
            if held is not None and held.expires_at > key.created_at:
                return held
            self.active[key.slot] = key
        self.all.append(key)
        return key


class Kms:
    """Wraps by remembering. `denied` refuses Decrypt, as a key policy would."""

    def __init__(self) -> None:
        self.wrapped: dict[bytes, bytes] = {}
        self.calls: list[str] = []
        self.denied = False

    def generate(self, key: TenantKeyRef, context: EncryptionContext) -> GeneratedDataKey:
        self.calls.append("generate")
        blob, secret = os.urandom(16), os.urandom(32)
        self.wrapped[blob] = secret
        return GeneratedDataKey(PlaintextDataKey(secret), blob, key.key, "material")

    def unwrap(
        self, key: TenantKeyRef, context: EncryptionContext, encrypted_data_key: bytes
    ) -> PlaintextDataKey:
        self.calls.append("unwrap")
        if self.denied:
            raise KeyAccessDenied("kms:Decrypt was refused.")
        return PlaintextDataKey(self.wrapped[encrypted_data_key])


class Process:
    """One worker process, with clocks that the test moves."""

    def __init__(self, kms: Kms, store: Store, **settings: int) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.seconds = 0.0
        self.materials = Materials(
            settings=replace(
                CryptoSettings(region="us-east-2", regions=("us-east-2",)),
                **settings,  # type: ignore[arg-type]
            ),
            source=kms,
            store=store,
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
        )

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.fixture
def kms() -> Kms:
    return Kms()


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_hundred_messages_cost_one_call(kms: Kms, store: Store) -> None:
    process = Process(kms, store)
    keys = {process.materials.for_sealing(ACME, PII).stored.id for _ in range(100)}
    assert len(keys) == 1
    assert kms.calls == ["generate"]


def test_a_second_process_unwraps_the_shared_data_key(kms: Kms, store: Store) -> None:
    first = Process(kms, store).materials.for_sealing(ACME, PII)
    second = Process(kms, store).materials.for_sealing(ACME, PII)
    assert second.stored.id == first.stored.id
    assert kms.calls == ["generate", "unwrap"]


def test_whoever_loses_the_race_to_store_uses_the_winners(kms: Kms, store: Store) -> None:
    winner = Process(kms, store).materials.for_sealing(ACME, PII)

    class Late(Store):
        def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
            return None

    late = Late()
    late.active = store.active
    loser = Process(kms, late).materials.for_sealing(ACME, PII)
    assert loser.stored.id == winner.stored.id
    assert loser.plaintext.secret == winner.plaintext.secret


def test_a_data_key_is_renewed_at_its_age(kms: Kms, store: Store) -> None:
    process = Process(kms, store, data_key_max_age_seconds=100, cache_seconds=300)
    old = process.materials.for_sealing(ACME, PII)
    process.sleep(99)
    assert process.materials.for_sealing(ACME, PII).stored.id == old.stored.id
    process.sleep(1)
    assert process.materials.for_sealing(ACME, PII).stored.id != old.stored.id


def test_a_data_key_is_renewed_at_its_count(kms: Kms, store: Store) -> None:
    process = Process(kms, store, data_key_max_messages=3)
    keys = [process.materials.for_sealing(ACME, PII).stored.id for _ in range(7)]
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [3, 3, 1]


def test_an_index_key_never_ages(kms: Kms, store: Store) -> None:
    process = Process(kms, store)
    index = EncryptionContext("acme", "pii", Purpose.INDEX)
    first = process.materials.for_sealing(ACME, index)
    process.sleep(10 * 365 * 86_400)
    assert process.materials.for_sealing(ACME, index).stored.id == first.stored.id
    assert first.stored.slot.region == ""


def test_where_decrypt_is_denied_each_process_seals_with_a_key_of_its_own(
    kms: Kms, store: Store
) -> None:
    shared = Process(kms, store).materials.for_sealing(ACME, PII)
    kms.denied = True
    own = Process(kms, store).materials.for_sealing(ACME, PII)
    assert own.stored.id != shared.stored.id
    assert not own.stored.shared


def test_what_a_process_sealed_itself_it_opens_only_through_kms(kms: Kms, store: Store) -> None:
    process = Process(kms, store)
    sealing = process.materials.for_sealing(ACME, PII)
    kms.denied = True
    with pytest.raises(KeyAccessDenied):
        process.materials.for_opening(ACME, PII, sealing.stored.encrypted_data_key)


def test_a_second_index_key_is_never_made(kms: Kms, store: Store) -> None:
    index = EncryptionContext("acme", "pii", Purpose.INDEX)
    Process(kms, store).materials.for_sealing(ACME, index)
    kms.denied = True
    with pytest.raises(KeyAccessDenied):
        Process(kms, store).materials.for_sealing(ACME, index)


def test_a_stored_key_of_another_kms_key_is_not_used(kms: Kms, store: Store) -> None:
    """After a tenant has moved to another key, what the old one wrapped must not seal."""
    old = Process(kms, store).materials.for_sealing(ACME, PII)
    moved = replace(ACME, key=replace(ACME.key, key_id="mrk-" + "f" * 32))
    store.active.clear()
    store.active[old.stored.slot] = old.stored
    process = Process(kms, store, data_key_max_age_seconds=100)
    process.sleep(86_400)
    assert process.materials.for_sealing(moved, PII).stored.key_arn == str(moved.key)


@pytest.mark.parametrize(
    ("key", "context"),
    [
        (replace(ACME, tenant="globex"), replace(PII, tenant="globex")),
        (replace(ACME, key=replace(ACME.key, key_id="mrk-" + "f" * 32)), PII),
        (replace(ACME, epoch=2), PII),
        (ACME, replace(PII, classification="pci")),
        (ACME, replace(PII, purpose=Purpose.VALUE)),
    ],
    ids=["tenant", "key", "epoch", "class", "purpose"],
)
def test_no_cache_line_serves_another(
    kms: Kms, store: Store, key: TenantKeyRef, context: EncryptionContext
) -> None:
    process = Process(kms, store)
    blob = process.materials.for_sealing(ACME, PII).stored.encrypted_data_key
    process.materials.for_opening(ACME, PII, blob)
    kms.denied = True
    with pytest.raises(KeyAccessDenied):
        process.materials.for_opening(key, context, blob)


def test_a_forgotten_tenant_is_asked_for_again(kms: Kms, store: Store) -> None:
    process = Process(kms, store)
    blob = process.materials.for_sealing(ACME, PII).stored.encrypted_data_key
    process.materials.for_opening(ACME, PII, blob)
    process.materials.forget("acme")
    kms.denied = True
    with pytest.raises(KeyAccessDenied):
        process.materials.for_opening(ACME, PII, blob)


def test_key_material_shows_in_no_repr_and_no_pickle(kms: Kms, store: Store) -> None:
    process = Process(kms, store)
    sealing = process.materials.for_sealing(ACME, PII)
    shown = repr(sealing) + repr(process.materials.cache) + repr(vars(process.materials))
    assert repr(sealing.plaintext.secret)[2:-1] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(sealing)
