"""A tenant that has moved to another key: what the keys before it sealed still opens, and none of them seals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crypto.arn import KeyArn
from crypto.context import EncryptionContext, Purpose
from crypto.errors import DecryptionFailed, KeyAccessDenied, KeyNotFound, KeyReplaced
from crypto.keyring import TenantKeyRef, opener_of
from crypto.materials import StoredDataKey
from crypto.message import EncryptedDataKey, read_header
from tests.crypto.kms import (
    ACME,
    ARN,
    EUROPE,
    HOME,
    REGIONS,
    WEST,
    MemoryKms,
    MemoryStore,
    Process,
    refusal,
)
from tests.crypto.sdk import PUBLIC_KEY, SIGNED, Wrapped, sdk_encrypt

PII = EncryptionContext("acme", "pii", Purpose.RECORD)
OLDEST = replace(ACME.key, key_id="mrk-" + "a" * 32, region=EUROPE)
THEIRS = replace(ACME.key, key_id="mrk-" + "b" * 32, account="444455556666")
# The tenant had OLDEST, then the key of ACME, and now one in another account.
MOVED = TenantKeyRef("acme", 2, THEIRS, REGIONS, (ACME.key, OLDEST))


def sealed_before(process: Process, key: KeyArn = ACME.key) -> bytes:
    """A message from the time when that key was the current one."""
    process.store.active.clear()
    before = replace(ACME, key=key, epoch=1)
    return process.envelope.seal(b"before", key=before, context=PII).message


def opened(process: Process, message: bytes, key: TenantKeyRef = MOVED) -> bytes:
    return process.envelope.open(message, key=key, context=PII)


@pytest.mark.parametrize("key", [ACME.key, OLDEST, THEIRS], ids=["before", "oldest", "current"])
def test_each_of_a_tenants_keys_opens_what_it_sealed_and_no_other_is_asked(key: KeyArn) -> None:
    process = Process(region=WEST)
    message = sealed_before(process, key)
    process.kms.calls.clear()
    assert opened(process, message) == b"before"
    assert process.kms.calls == [(WEST, "Decrypt", str(key.in_region(WEST)))]


def test_a_previous_key_opens_in_whichever_region_answers() -> None:
    process = Process(region=WEST)
    message = sealed_before(process)
    process.kms.fail[WEST] = refusal("KMSInternalException", 500)
    assert opened(process, message) == b"before"
    assert process.kms.calls[-1] == (HOME, "Decrypt", ARN)


def test_only_the_current_key_seals() -> None:
    process = Process()
    sealed_before(process)
    process.kms.calls.clear()
    sealed = process.envelope.seal(b"now", key=MOVED, context=PII)
    [encrypted] = read_header(sealed.message).data_keys
    assert encrypted.key_arn == str(THEIRS.in_region(HOME)).encode()
    assert process.kms.calls == [(HOME, "GenerateDataKey", str(THEIRS.in_region(HOME)))]


def test_an_old_message_is_resealed_under_the_current_key() -> None:
    process = Process()
    resealed = process.envelope.reseal(sealed_before(process), key=MOVED, context=PII)
    assert opened(process, resealed.message, replace(MOVED, previous=())) == b"before"


def test_a_data_key_that_a_previous_key_wrapped_is_not_sealed_with_though_it_is_active() -> None:
    process = Process()
    sealed_before(process)
    old = {stored.id for stored in process.store.all}
    assert process.envelope.seal(b"now", key=MOVED, context=PII).data_key_id not in old


def test_the_winner_of_a_race_is_not_sealed_with_where_it_is_of_a_previous_key() -> None:
    process = Process()
    sealed_before(process)

    class Faster(MemoryStore):
        def add(self, key: StoredDataKey) -> StoredDataKey:
            return process.store.all[0]

    late = Process(process.kms, Faster())
    with pytest.raises(KeyReplaced, match=r"^The tenant's key has been replaced just now\.$"):
        late.envelope.seal(b"now", key=MOVED, context=PII)


@pytest.mark.parametrize(
    "key",
    [
        replace(MOVED, previous=(OLDEST,)),
        replace(MOVED, previous=()),
        replace(MOVED, previous=(replace(ACME.key, account="444455556666"),)),
        replace(MOVED, previous=(replace(ACME.key, partition="aws-cn"),)),
    ],
    ids=["another", "none", "other account", "other partition"],
)
def test_a_key_that_the_tenant_no_longer_has_opens_nothing(key: TenantKeyRef) -> None:
    process = Process()
    message = sealed_before(process)
    process.kms.calls.clear()
    with pytest.raises(DecryptionFailed, match=f"^{DecryptionFailed.TEXT}$"):
        opened(process, message, key)
    assert process.kms.calls == []


def test_with_the_epoch_the_data_keys_of_a_forgotten_key_leave_the_cache() -> None:
    process = Process()
    message = sealed_before(process)
    opened(process, message)
    with pytest.raises(DecryptionFailed):
        opened(process, message, replace(MOVED, epoch=3, previous=()))


def test_no_other_key_is_tried_where_the_named_one_refuses() -> None:
    process = Process()
    message = sealed_before(process)
    process.kms.denied.add((HOME, "Decrypt"))
    process.kms.calls.clear()
    with pytest.raises(KeyAccessDenied):
        opened(process, message)
    assert process.kms.calls == [(HOME, "Decrypt", ARN)]


def test_a_message_that_names_another_of_the_tenants_keys_than_sealed_it_fails() -> None:
    """The ARN in a message is nothing but a claim until KMS has opened the data key with that very key."""
    process = Process()
    message = sealed_before(process)
    lying = message.replace(ARN.encode(), str(THEIRS).encode())
    assert len(lying) == len(message)
    with pytest.raises(DecryptionFailed):
        opened(process, lying)


def test_a_previous_key_of_one_region_opens_there_alone() -> None:
    single = replace(ACME.key, key_id="01234567-89ab-cdef-0123-456789abcdef")
    encrypted = EncryptedDataKey(str(single).encode(), b"wrapped")
    key = replace(MOVED, previous=(OLDEST, single))
    assert opener_of(encrypted, key) == replace(key, key=single)
    with pytest.raises(DecryptionFailed):
        opener_of(EncryptedDataKey(str(replace(single, region=EUROPE)).encode(), b"w"), key)


def test_the_first_key_that_is_named_opens_and_everything_else_of_the_tenant_stays() -> None:
    for held in (THEIRS, ACME.key, OLDEST):
        encrypted = EncryptedDataKey(str(held.in_region(WEST)).encode(), b"wrapped")
        assert opener_of(encrypted, MOVED) == replace(MOVED, key=held)
    with pytest.raises(DecryptionFailed):
        opener_of(EncryptedDataKey(ARN.encode(), b""), MOVED)


def test_messages_of_other_clients_under_a_previous_key_open_too() -> None:
    process = Process()

    def keys(context: dict[str, str]) -> tuple[bytes, list[Wrapped]]:
        made = process.kms.kms(HOME, "use").generate_data_key(
            KeyId=ARN, EncryptionContext=context, NumberOfBytes=32
        )
        process.kms.calls.clear()
        return made["Plaintext"], [Wrapped(made["CiphertextBlob"], ARN)]

    message = sdk_encrypt(b"before", keys, PII.as_dict(), suite=SIGNED)
    assert PUBLIC_KEY.encode() in message
    assert opened(process, message) == b"before"
    assert process.kms.calls == [(HOME, "Decrypt", ARN)]
    with pytest.raises(DecryptionFailed):
        opened(process, message, replace(MOVED, previous=(OLDEST,)))


def test_the_index_key_goes_on_under_a_previous_key_and_under_the_current_one() -> None:
    """Tokens must stay equal: there is one index key, whichever of the tenant's keys wraps it."""
    kms, store = MemoryKms(), MemoryStore()
    first = Process(kms, store).envelope.index_key(key=ACME, classification="pii")
    [stored] = store.active.values()
    for key in (MOVED, replace(MOVED, previous=(OLDEST, ACME.key))):
        again = Process(kms, store, EUROPE).envelope.index_key(key=key, classification="pii")
        assert again.secret == first.secret
    assert kms.count("GenerateDataKey") == 1
    assert list(store.active.values()) == [stored]


def test_a_process_that_knows_the_tenant_by_an_older_key_makes_no_second_index_key() -> None:
    kms, store = MemoryKms(), MemoryStore()
    Process(kms, store).envelope.index_key(key=MOVED, classification="pii")
    with pytest.raises(KeyReplaced, match=r"^The tenant's key has been replaced just now\.$"):
        Process(kms, store).envelope.index_key(key=ACME, classification="pii")
    assert kms.count() == 1
    assert len(store.all) == 1


def test_a_region_that_the_tenant_has_left_opens_nothing_under_a_previous_key() -> None:
    process = Process(region=WEST)
    message = sealed_before(process)
    with pytest.raises(KeyNotFound):
        opened(process, message, replace(MOVED, regions=(HOME, EUROPE)))
