"""The door: what opens where, what KMS is asked for it, and which Region is asked."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from crypto.context import EncryptionContext, Purpose
from crypto.errors import (
    DecryptionFailed,
    KeyAccessDenied,
    KeyNotFound,
    KeyUnavailable,
    PlaintextTooLarge,
)
from crypto.message import MAX_PLAINTEXT, EncryptedDataKey, encode_names, read_header, seal_message
from tests.crypto.kms import (
    ACME,
    ARN,
    EUROPE,
    GLOBEX,
    HOME,
    REGIONS,
    WEST,
    MemoryKms,
    MemoryStore,
    Process,
    refusal,
)

PII = EncryptionContext("acme", "pii", Purpose.RECORD)


def forged(encrypted: EncryptedDataKey, context: EncryptionContext = PII) -> bytes:
    """A message of our shape with that encrypted data key, sealed by somebody who has no key of the tenant."""
    return seal_message(
        b"forged",
        data_key=bytes(32),
        names=encode_names(context.encode(), encrypted),
        message_id=bytes(32),
    )


def test_what_is_sealed_opens_and_names_its_data_key() -> None:
    process = Process()
    sealed = process.envelope.seal(b"hello", key=ACME, context=PII)
    assert process.envelope.open(sealed.message, key=ACME, context=PII) == b"hello"
    assert [key.id for key in process.store.all] == [sealed.data_key_id]
    header = read_header(sealed.message)
    assert header.is_ours
    assert header.data_keys == (
        EncryptedDataKey(ARN.encode(), process.store.all[0].encrypted_data_key),
    )


def test_the_same_twice_is_two_messages() -> None:
    process = Process()
    sealed = {process.envelope.seal(b"", key=ACME, context=PII).message for _ in range(2)}
    assert len(sealed) == 2


def test_a_hundred_messages_cost_one_call_to_seal_and_one_to_open() -> None:
    process = Process()
    sealed = [process.envelope.seal(b"x", key=ACME, context=PII).message for _ in range(100)]
    assert process.kms.count() == 1
    for message in sealed:
        process.envelope.open(message, key=ACME, context=PII)
    assert [operation for _, operation, _ in process.kms.calls] == ["GenerateDataKey", "Decrypt"]
    counters = process.envelope.counters
    assert (counters.misses, counters.hits, counters.evictions) == (2, 198, 0)


@pytest.mark.parametrize("operation", ["seal", "open"])
def test_32_threads_of_a_cold_process_make_one_call(operation: str) -> None:
    message = Process(kms := MemoryKms()).envelope.seal(b"x", key=ACME, context=PII).message
    process, start = Process(kms), threading.Barrier(32)
    kms.calls.clear()

    def ask(_: int) -> None:
        start.wait()
        if operation == "seal":
            process.envelope.seal(b"x", key=ACME, context=PII)
        else:
            process.envelope.open(message, key=ACME, context=PII)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(ask, range(32)))
    assert kms.count() == 1


def test_a_message_of_one_region_opens_in_another_with_that_regions_key() -> None:
    kms = MemoryKms()
    message = Process(kms).envelope.seal(b"hello", key=ACME, context=PII).message
    kms.calls.clear()
    europe = Process(kms, region=EUROPE)
    assert europe.envelope.open(message, key=ACME, context=PII) == b"hello"
    assert kms.calls == [(EUROPE, "Decrypt", ARN.replace(HOME, EUROPE))]


def test_another_region_stands_in_for_one_that_is_away() -> None:
    process = Process()
    process.kms.fail[HOME] = refusal("KMSInternalException", 500)
    sealed = process.envelope.seal(b"hello", key=ACME, context=PII)
    assert process.asked() == {HOME: 1, WEST: 1}
    assert process.envelope.open(sealed.message, key=ACME, context=PII) == b"hello"
    assert process.asked() == {HOME: 1, WEST: 2}
    assert read_header(sealed.message).data_keys[0].key_arn.decode() == ARN.replace(HOME, WEST)


def test_a_refusal_is_the_answer_and_no_other_region_is_asked() -> None:
    process = Process()
    process.kms.denied.add((HOME, "GenerateDataKey"))
    with pytest.raises(KeyAccessDenied):
        process.envelope.seal(b"x", key=ACME, context=PII)
    assert process.asked() == {HOME: 1}


def test_where_the_tenant_has_no_key_nobody_stands_in() -> None:
    process = Process(region=WEST)
    context = replace(PII, tenant="globex")
    with pytest.raises(KeyNotFound, match=WEST):
        process.envelope.seal(b"x", key=GLOBEX, context=context)
    assert process.kms.count() == 0


def test_regions_that_this_process_does_not_know_are_not_asked() -> None:
    process = Process()
    process.kms.fail |= {region: refusal("ThrottlingException") for region in REGIONS}
    with pytest.raises(KeyUnavailable):
        process.envelope.seal(b"x", key=replace(ACME, regions=(*REGIONS, "sa-east-1")), context=PII)
    assert set(process.asked()) == set(REGIONS)


def test_a_region_that_may_only_encrypt_cannot_read_back_what_it_sealed() -> None:
    process = Process()
    process.kms.denied.add((HOME, "Decrypt"))
    message = process.envelope.seal(b"x", key=ACME, context=PII).message
    with pytest.raises(KeyAccessDenied):
        process.envelope.open(message, key=ACME, context=PII)


def test_a_greater_epoch_asks_kms_again() -> None:
    process = Process()
    message = process.envelope.seal(b"x", key=ACME, context=PII).message
    process.envelope.open(message, key=ACME, context=PII)
    process.kms.denied |= {(HOME, "Decrypt"), (HOME, "GenerateDataKey")}
    assert process.envelope.open(message, key=ACME, context=PII) == b"x"
    revoked = replace(ACME, epoch=2)
    with pytest.raises(KeyAccessDenied):
        process.envelope.open(message, key=revoked, context=PII)
    with pytest.raises(KeyAccessDenied):
        process.envelope.seal(b"x", key=revoked, context=PII)
    with pytest.raises(KeyAccessDenied):  # nor does a reader that lags behind bring it back
        process.envelope.open(message, key=ACME, context=PII)


def test_a_cached_data_key_opens_until_its_time_and_no_longer() -> None:
    process = Process(cache_seconds=300)
    message = process.envelope.seal(b"x", key=ACME, context=PII).message
    process.envelope.open(message, key=ACME, context=PII)
    process.kms.denied.add((HOME, "Decrypt"))
    process.sleep(299)
    assert process.envelope.open(message, key=ACME, context=PII) == b"x"
    process.sleep(1)
    with pytest.raises(KeyAccessDenied):
        process.envelope.open(message, key=ACME, context=PII)


UNRELATED = ARN.replace("0123", "ffff").encode()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "empty"),
        (forged(EncryptedDataKey(ARN.encode(), b"w"))[:-1], "cut short"),
        (forged(EncryptedDataKey(ARN.encode(), b"w")) + b"\0", "a byte too many"),
        (forged(EncryptedDataKey(ARN.encode(), b"")), "no encrypted data key"),
        (forged(EncryptedDataKey(ARN.encode(), b"w" * 6_145)), "more than KMS takes"),
        (forged(EncryptedDataKey(UNRELATED, b"w")), "another key"),
        (forged(EncryptedDataKey(b"alias/tenants/acme", b"w")), "not an ARN"),
        (forged(EncryptedDataKey(ARN.encode(), b"w"), replace(PII, tenant="globex")), "tenant"),
        (forged(EncryptedDataKey(ARN.encode(), b"w"), replace(PII, classification="pci")), "class"),
        (forged(EncryptedDataKey(ARN.encode(), b"w"), replace(PII, purpose=Purpose.VALUE)), "use"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_kms_is_not_asked_about_a_message_that_cannot_be_the_tenants(
    message: bytes, reason: str
) -> None:
    process = Process()
    with pytest.raises(DecryptionFailed):
        process.envelope.open(message, key=ACME, context=PII)
    assert process.kms.count() == 0


def test_what_kms_does_not_open_is_one_and_the_same_failure() -> None:
    process = Process()
    message = forged(EncryptedDataKey(ARN.encode(), b"nothing that KMS knows, at some length"))
    with pytest.raises(DecryptionFailed, match=f"^{DecryptionFailed.TEXT}$"):
        process.envelope.open(message, key=ACME, context=PII)
    assert process.asked() == {HOME: 1}
    assert len(process.envelope._materials.cache) == 0


def test_a_key_of_one_tenant_with_the_context_of_another_is_a_mistake() -> None:
    process = Process()
    message = process.envelope.seal(b"x", key=ACME, context=PII).message
    calls = process.kms.count()
    stranger = replace(PII, tenant="globex")
    with pytest.raises(ValueError, match="different tenants"):
        process.envelope.seal(b"x", key=ACME, context=stranger)
    with pytest.raises(ValueError, match="different tenants"):
        process.envelope.open(message, key=ACME, context=stranger)
    assert process.kms.count() == calls


def test_resealing_takes_the_active_data_key() -> None:
    process = Process(data_key_max_age_seconds=100)
    old = process.envelope.seal(b"hello", key=ACME, context=PII)
    process.sleep(100)
    new = process.envelope.reseal(old.message, key=ACME, context=PII)
    assert new.data_key_id != old.data_key_id
    assert process.envelope.open(new.message, key=ACME, context=PII) == b"hello"


def test_index_keys_are_the_same_in_every_region_and_differ_by_class_and_version() -> None:
    kms, store = MemoryKms(), MemoryStore()
    home, europe = Process(kms, store), Process(kms, store, region=EUROPE)
    one = home.envelope.index_key(key=ACME, classification="pii")
    assert europe.envelope.index_key(key=ACME, classification="pii") == one
    others = [
        home.envelope.index_key(key=ACME, classification="pci"),
        home.envelope.index_key(key=ACME, classification="pii", version=2),
    ]
    assert len({key.secret for key in (one, *others)}) == 3
    assert [key.slot.classification for key in store.all] == ["pii", "pci"]


def test_more_than_a_message_may_hold_is_refused() -> None:
    with pytest.raises(PlaintextTooLarge):
        Process().envelope.seal(bytes(MAX_PLAINTEXT + 1), key=ACME, context=PII)
