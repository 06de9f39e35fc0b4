"""Messages of other clients of the Encryption SDK through the same door, with the same strictness."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.context import EncryptionContext, Purpose
from crypto.errors import DecryptionFailed, KeyAccessDenied, KeyUnavailable
from crypto.message import MAX_DATA_KEYS
from tests.crypto.kms import ACME, ARN, EUROPE, HOME, REGIONS, MemoryKms, Process, refusal
from tests.crypto.sdk import PUBLIC_KEY, SIGNED, SUITE, UNCOMMITTED, Keys, Wrapped, sdk_encrypt

PII = EncryptionContext("acme", "pii", Purpose.RECORD)
PAIRS = PII.as_dict()
ESCROW = Wrapped(b"wrapped for the tenant's own safe", "safe-1", "raw-rsa")


def wrapped_by(kms: MemoryKms, *others: Wrapped, region: str = HOME, arn: str = ARN) -> Keys:
    """A data key that the tenant's own client has from KMS, and what else that client puts into the message."""

    def keys(context: dict[str, str]) -> tuple[bytes, list[Wrapped]]:
        made = kms.kms(region, "use").generate_data_key(
            KeyId=arn, EncryptionContext=context, NumberOfBytes=32
        )
        kms.calls.clear()
        return made["Plaintext"], [Wrapped(made["CiphertextBlob"], arn), *others]

    return keys


def written(process: Process, *others: Wrapped, pairs: dict[str, str] = PAIRS, **how: Any) -> bytes:
    """300 bytes in three frames, signed, unless the test says otherwise."""
    given_ = {"frame": 128, "suite": SIGNED} | how
    return sdk_encrypt(bytes(300), wrapped_by(process.kms, *others), pairs, **given_)


def opened(process: Process, message: bytes) -> bytes:
    return process.envelope.open(message, key=ACME, context=PII)


@settings(deadline=None, max_examples=40)
@given(
    st.binary(max_size=2_000),
    st.sampled_from([0, 128, 256, 4096]),
    st.sampled_from([SUITE, SIGNED]),
)
def test_what_the_sdk_writes_opens_whatever_its_suite_and_frames(
    plaintext: bytes, frame: int, suite: object
) -> None:
    process = Process()
    message = sdk_encrypt(plaintext, wrapped_by(process.kms), PAIRS, frame=frame, suite=suite)
    assert opened(process, message) == plaintext
    assert process.kms.count() == 1


def test_it_opens_in_another_region_and_can_be_resealed() -> None:
    process = Process(region=EUROPE)
    message = written(process)
    sealed = process.envelope.reseal(message, key=ACME, context=PII)
    assert process.asked() == {EUROPE: 2}
    assert opened(process, sealed.message) == bytes(300)


def test_its_data_key_is_not_kept() -> None:
    """Each signed message has a data key of its own: a reader of many would push out everybody's lines."""
    process = Process()
    message = written(process)
    for _ in range(2):
        opened(process, message)
    assert process.kms.count() == 2
    assert process.envelope.counters.misses == 0


def test_every_flipped_byte_is_one_and_the_same_failure() -> None:
    process = Process()
    for suite in (SIGNED, SUITE):
        message = written(process, suite=suite)
        for at in range(len(message)):
            damaged = bytearray(message)
            damaged[at] ^= 1 << at % 8
            with pytest.raises(DecryptionFailed, match=f"^{DecryptionFailed.TEXT}$") as caught:
                opened(process, bytes(damaged))
            assert caught.value.__cause__ is None


def test_every_truncation_and_every_trailing_byte_fails_and_kms_is_not_asked() -> None:
    process = Process()
    for message in (written(process), written(process, frame=0)):
        for size in range(len(message)):
            with pytest.raises(DecryptionFailed):
                opened(process, message[:size])
        for tail in (b"\0", b"\xff" * 16, message):
            with pytest.raises(DecryptionFailed):
                opened(process, message + tail)
    assert process.kms.count() == 0


@pytest.mark.parametrize(
    "pairs",
    [
        {},
        PAIRS | {"tenant": "globex"},
        PAIRS | {"class": "pci"},
        PAIRS | {"purpose": "value"},
        PAIRS | {"more": "pairs"},
        {name: value for name, value in PAIRS.items() if name != "class"},
        {name.upper(): value for name, value in PAIRS.items()},
    ],
)
@pytest.mark.parametrize("suite", [SUITE, SIGNED], ids=["unsigned", "signed"])
def test_a_message_with_another_context_is_refused_and_kms_is_not_asked(
    pairs: dict[str, str], suite: object
) -> None:
    process = Process()
    message = written(process, pairs=pairs, suite=suite)
    with pytest.raises(DecryptionFailed):
        opened(process, message)
    assert process.kms.count() == 0


def test_a_signed_message_whose_public_key_is_not_text_is_refused() -> None:
    process = Process()
    message = written(process)
    at = message.index(PUBLIC_KEY.encode()) + len(PUBLIC_KEY) + 2
    with pytest.raises(DecryptionFailed):
        opened(process, message[:at] + b"\xff" + message[at + 1 :])
    assert process.kms.count() == 0


def test_a_suite_without_key_commitment_is_refused_and_kms_is_not_asked() -> None:
    process = Process()
    message = written(process, suite=UNCOMMITTED)
    with pytest.raises(DecryptionFailed):
        opened(process, message)
    assert process.kms.count() == 0


def test_keys_of_others_in_the_message_are_left_alone() -> None:
    process = Process()
    assert opened(process, written(process, ESCROW)) == bytes(300)
    assert process.kms.count() == 1


def test_at_most_three_data_keys_are_looked_at() -> None:
    process = Process()
    others = [ESCROW._replace(key_arn=f"safe-{n}") for n in range(MAX_DATA_KEYS)]
    assert opened(process, written(process, *others[1:])) == bytes(300)
    with pytest.raises(DecryptionFailed):
        opened(process, written(process, *others))
    assert process.kms.count() == 0


def test_a_message_without_a_key_of_the_tenant_is_refused_and_kms_is_not_asked() -> None:
    process = Process()
    unrelated = ARN.replace("0123", "ffff")
    keys = wrapped_by(process.kms, ESCROW, arn=unrelated)
    message = sdk_encrypt(b"x", keys, PAIRS, suite=SIGNED)
    with pytest.raises(DecryptionFailed):
        opened(process, message)
    assert process.kms.count() == 0


def test_of_two_keys_of_the_tenant_the_one_that_kms_opens_is_taken() -> None:
    process = Process()
    broken = Wrapped(b"nothing that KMS has wrapped, at some length", ARN.replace(HOME, EUROPE))
    assert opened(process, written(process, broken)) == bytes(300)
    assert process.kms.count() in {1, 2}  # the SDK writes them in any order
    nothing = sdk_encrypt(b"x", lambda _: (bytes(32), [broken]), PAIRS, suite=SIGNED)
    with pytest.raises(DecryptionFailed):
        opened(process, nothing)


def test_a_data_key_that_the_message_is_not_made_with_fails_at_the_commitment() -> None:
    process = Process()
    real = wrapped_by(process.kms)

    def keys(context: dict[str, str]) -> tuple[bytes, list[Wrapped]]:
        return bytes(32), list(real(context)[1])

    with pytest.raises(DecryptionFailed):
        opened(process, sdk_encrypt(b"x", keys, PAIRS, suite=SIGNED))
    assert process.kms.count() == 1


def test_what_kms_answers_for_the_key_is_told() -> None:
    process = Process()
    message = written(process)
    process.kms.denied.add((HOME, "Decrypt"))
    with pytest.raises(KeyAccessDenied):
        opened(process, message)
    process.kms.fail |= {region: refusal("ThrottlingException") for region in REGIONS}
    with pytest.raises(KeyUnavailable):
        opened(process, message)
