"""Data keys: shared by the store, renewed by age and count, never kept where KMS would not open them."""

from __future__ import annotations

import os
import pickle
import threading
from collections import Counter
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crypto.arn import KeyArn
from crypto.conf import CryptoSettings
from crypto.context import EncryptionContext, Pairs, Purpose
from crypto.errors import (
    CredentialsRefused,
    CryptoError,
    DecryptionFailed,
    KeyAccessDenied,
    KeyUnavailable,
)
from crypto.keyring import GeneratedDataKey, PlaintextDataKey, TenantKeyRef
from crypto.materials import DataKeySlot, Materials, StoredDataKey
from crypto.message import EncryptedDataKey, encode_names
from tests.crypto.kms import ARN, MemoryStore

ACME = TenantKeyRef("acme", 1, KeyArn.parse(ARN), ("us-east-2",))
DENIED = KeyAccessDenied("kms:Decrypt was refused.")
PII = EncryptionContext("acme", "pii", Purpose.RECORD)


class Kms:
    """Wraps by remembering. `refuses` is what Decrypt raises, as for a key policy."""

    def __init__(self) -> None:
        self.wrapped: dict[bytes, bytes] = {}
        self.calls: list[str] = []
        self.refuses: CryptoError | None = None

    def generate(self, key: TenantKeyRef, pairs: Pairs) -> GeneratedDataKey:
        self.calls.append("generate")
        blob, secret = os.urandom(16), os.urandom(32)
        self.wrapped[blob] = secret
        return GeneratedDataKey(PlaintextDataKey(secret), blob, key.key, "material")

    def unwrap(self, key: TenantKeyRef, pairs: Pairs, wrapped: bytes) -> PlaintextDataKey:
        self.calls.append("unwrap")
        if self.refuses:
            raise self.refuses
        return PlaintextDataKey(self.wrapped[wrapped])


class Process:
    """One worker process, with clocks that the test moves."""

    def __init__(self, kms: Kms, store: MemoryStore, **settings: int) -> None:
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

    def counts(self) -> Collection[UUID]:
        return self.materials._left

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.fixture
def kms() -> Kms:
    return Kms()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_a_hundred_messages_cost_one_call(kms: Kms, store: MemoryStore) -> None:
    process = Process(kms, store)
    keys = {process.materials.for_sealing(ACME, PII).stored.id for _ in range(100)}
    assert len(keys) == 1
    assert kms.calls == ["generate"]


def test_a_second_process_unwraps_the_shared_data_key(kms: Kms, store: MemoryStore) -> None:
    first = Process(kms, store).materials.for_sealing(ACME, PII)
    second = Process(kms, store).materials.for_sealing(ACME, PII)
    assert (second.stored.id, second.names) == (first.stored.id, first.names)
    assert kms.calls == ["generate", "unwrap"]


def test_whoever_loses_the_race_to_store_uses_the_winners(kms: Kms, store: MemoryStore) -> None:
    winner = Process(kms, store).materials.for_sealing(ACME, PII)

    class Late(MemoryStore):
        def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
            return None

    late = Late()
    late.active = store.active
    loser = Process(kms, late).materials.for_sealing(ACME, PII)
    assert loser.stored.id == winner.stored.id
    assert loser.plaintext.secret == winner.plaintext.secret


def test_a_data_key_is_renewed_at_its_age(kms: Kms, store: MemoryStore) -> None:
    process = Process(kms, store, data_key_max_age_seconds=100, cache_seconds=300)
    old = process.materials.for_sealing(ACME, PII)
    process.sleep(99)
    assert process.materials.for_sealing(ACME, PII).stored.id == old.stored.id
    process.sleep(1)
    assert process.materials.for_sealing(ACME, PII).stored.id != old.stored.id


def test_a_data_key_is_renewed_at_its_count(kms: Kms, store: MemoryStore) -> None:
    process = Process(kms, store, data_key_max_messages=3)
    keys = [process.materials.for_sealing(ACME, PII).stored.id for _ in range(7)]
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [3, 3, 1]
    assert [key.shared for key in store.all] == [True, False, False]


def test_the_count_outlives_the_cache(kms: Kms, store: MemoryStore) -> None:
    """A line is loaded again every five minutes; the messages of the day count for all that."""
    process = Process(kms, store, data_key_max_messages=3)
    keys = []
    for _ in range(5):
        keys.append(process.materials.for_sealing(ACME, PII).stored.id)
        process.sleep(301)
    assert [keys.count(key) for key in dict.fromkeys(keys)] == [3, 1, 1]
    # What is used up is not even unwrapped again.
    assert kms.calls == ["generate", "unwrap", "unwrap", "generate", "generate"]


def test_of_used_up_keys_another_process_goes_on_with_its_own_share(
    kms: Kms, store: MemoryStore
) -> None:
    first, second = (Process(kms, store, data_key_max_messages=1) for _ in range(2))
    keys = [first.materials.for_sealing(ACME, PII).stored.id for _ in range(2)]
    assert second.materials.for_sealing(ACME, PII).stored.id == keys[0]


def test_counts_are_kept_for_as_many_data_keys_as_there_may_be_lines(
    kms: Kms, store: MemoryStore
) -> None:
    process = Process(kms, store, cache_size=4)
    for name in "abcdefgh":
        process.materials.for_sealing(ACME, replace(PII, classification=name))
    process.materials.for_sealing(ACME, replace(PII, classification="e"))
    process.materials.for_sealing(ACME, replace(PII, classification="i"))
    counted = [key.slot.classification for key in store.all if key.id in process.counts()]
    assert counted == ["f", "g", "h", "i"]


def test_32_threads_never_seal_more_than_the_count_with_one_key(
    kms: Kms, store: MemoryStore
) -> None:
    process = Process(kms, store, data_key_max_messages=64)
    with ThreadPoolExecutor(32) as pool:
        used = list(pool.map(lambda _: process.materials.for_sealing(ACME, PII), range(160)))
    most = Counter(sealing.stored.id for sealing in used).most_common(1)[0][1]
    assert most == 64


def test_where_no_key_is_ever_usable_sealing_ends(kms: Kms, store: MemoryStore) -> None:
    process = Process(kms, store, data_key_max_messages=0)
    with pytest.raises(
        KeyUnavailable, match=r"^Data keys are used up faster than they are made\.$"
    ):
        process.materials.for_sealing(ACME, PII)
    assert kms.calls.count("generate") <= 10


def test_an_index_key_never_ages(kms: Kms, store: MemoryStore) -> None:
    process = Process(kms, store)
    index = EncryptionContext("acme", "pii", Purpose.INDEX)
    first = process.materials.for_sealing(ACME, index)
    process.sleep(10 * 365 * 86_400)
    assert process.materials.for_sealing(ACME, index).stored.id == first.stored.id
    assert first.stored.slot.region == ""
    assert kms.calls == ["generate", "unwrap"]


def test_asking_for_an_index_key_uses_nothing_up(kms: Kms, store: MemoryStore) -> None:
    process = Process(kms, store, data_key_max_messages=2)
    index = EncryptionContext("acme", "pii", Purpose.INDEX)
    assert len({process.materials.for_sealing(ACME, index).stored.id for _ in range(9)}) == 1
    assert kms.calls == ["generate"]
    assert not process.counts()


def test_a_stored_key_says_what_it_is_for(kms: Kms, store: MemoryStore) -> None:
    process = Process(kms, store, data_key_max_age_seconds=100)
    stored = process.materials.for_sealing(ACME, PII).stored
    assert stored.slot == DataKeySlot("acme", "pii", Purpose.RECORD, "us-east-2")
    assert (stored.created_at, stored.expires_at) == (
        process.now,
        process.now + timedelta(seconds=100),
    )
    assert (stored.key_arn, stored.key_material_id, stored.shared) == (ARN, "material", True)
    assert stored.encrypted_data_key in kms.wrapped


def test_an_expired_key_that_the_store_still_gives_does_not_seal(
    kms: Kms, store: MemoryStore
) -> None:
    process = Process(kms, store, data_key_max_age_seconds=100)
    old = process.materials.for_sealing(ACME, PII).stored
    later = Process(kms, store, data_key_max_age_seconds=100)
    later.sleep(100)
    assert later.materials.for_sealing(ACME, PII).stored.id != old.id


def test_credentials_that_are_refused_say_nothing_of_the_policy(
    kms: Kms, store: MemoryStore
) -> None:
    """Only a policy's refusal makes a key of one's own; an expired credential must not litter the store."""
    Process(kms, store).materials.for_sealing(ACME, PII)
    kms.refuses = CredentialsRefused("kms:Decrypt was not sent.")
    with pytest.raises(CredentialsRefused):
        Process(kms, store).materials.for_sealing(ACME, PII)
    assert len(store.all) == 1
    assert kms.calls == ["generate", "unwrap"]


def test_the_lines_of_sealing_and_of_opening_are_never_mixed_up(
    kms: Kms, store: MemoryStore
) -> None:
    """A forged message may name an empty data key, and get what KMS says of it, not what sealing holds."""
    process = Process(kms, store)
    process.materials.for_sealing(ACME, PII)
    with pytest.raises(DecryptionFailed):
        process.materials.for_opening(ACME, PII, encode_names(b"", EncryptedDataKey(b"", b"")))


def test_32_threads_of_a_cold_process_make_one_call(kms: Kms, store: MemoryStore) -> None:
    with ThreadPoolExecutor(32) as pool:
        process = Process(kms, store)
        start = threading.Barrier(32)

        def seal(_: int) -> UUID:
            start.wait()
            return process.materials.for_sealing(ACME, PII).stored.id

        assert len(set(pool.map(seal, range(32)))) == 1
    assert kms.calls == ["generate"]


def test_where_decrypt_is_denied_each_process_seals_with_a_key_of_its_own(
    kms: Kms, store: MemoryStore
) -> None:
    shared = Process(kms, store).materials.for_sealing(ACME, PII)
    kms.refuses = DENIED
    own = Process(kms, store).materials.for_sealing(ACME, PII)
    assert own.stored.id != shared.stored.id
    assert own.stored.shared is False


def test_what_a_process_sealed_itself_it_opens_only_through_kms(
    kms: Kms, store: MemoryStore
) -> None:
    process = Process(kms, store)
    sealing = process.materials.for_sealing(ACME, PII)
    kms.refuses = DENIED
    with pytest.raises(KeyAccessDenied):
        process.materials.for_opening(ACME, PII, sealing.names)


def test_a_second_index_key_is_never_made(kms: Kms, store: MemoryStore) -> None:
    index = EncryptionContext("acme", "pii", Purpose.INDEX)
    Process(kms, store).materials.for_sealing(ACME, index)
    kms.refuses = DENIED
    with pytest.raises(KeyAccessDenied):
        Process(kms, store).materials.for_sealing(ACME, index)


def test_a_stored_key_of_another_kms_key_is_not_used(kms: Kms, store: MemoryStore) -> None:
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
    kms: Kms, store: MemoryStore, key: TenantKeyRef, context: EncryptionContext
) -> None:
    process = Process(kms, store)
    names = process.materials.for_sealing(ACME, PII).names
    process.materials.for_opening(ACME, PII, names)
    kms.refuses = DENIED
    with pytest.raises((KeyAccessDenied, DecryptionFailed)):
        process.materials.for_opening(key, context, names)


def test_key_material_shows_in_no_repr_and_no_pickle(kms: Kms, store: MemoryStore) -> None:
    process = Process(kms, store)
    sealing = process.materials.for_sealing(ACME, PII)
    shown = repr(sealing) + repr(process.materials.cache) + repr(vars(process.materials))
    assert repr(sealing.plaintext.secret)[2:-1] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(sealing)
