"""The message format: the Encryption SDK judges it both ways, and no damaged message opens."""

from __future__ import annotations

import hmac

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import message as codec
from crypto.context import encode_pairs
from crypto.errors import DecryptionFailed, PlaintextTooLarge
from crypto.message import MAX_PLAINTEXT, EncryptedDataKey, open_body, read_header, seal_message
from tests.crypto.sdk import ARN, sdk_decrypt, sdk_encrypt

KEY = bytes(range(32))
WRAPPED = EncryptedDataKey(ARN.encode(), b"wrapped")
CONTEXT = {"tenant": "t-1", "class": "pii", "purpose": "record"}
texts = st.text(min_size=1, max_size=40).filter(lambda text: not text.startswith("aws-crypto-"))
contexts = st.dictionaries(texts, st.text(max_size=60), max_size=8)


def seal(
    plaintext: bytes, context: dict[str, str] = CONTEXT, message_id: bytes = b"i" * 32
) -> bytes:
    return seal_message(
        plaintext,
        data_key=KEY,
        encrypted_data_key=WRAPPED,
        context=encode_pairs(context),
        message_id=message_id,
    )


def unseal(message: bytes, key: bytes = KEY) -> bytes:
    return open_body(message, read_header(message), key)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=9_000), contexts, st.binary(min_size=32, max_size=32))
def test_the_sdk_opens_what_we_seal(
    plaintext: bytes, context: dict[str, str], message_id: bytes
) -> None:
    assert sdk_decrypt(seal(plaintext, context, message_id), KEY) == (plaintext, context)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=4_000), contexts)
def test_we_open_what_the_sdk_seals(plaintext: bytes, context: dict[str, str]) -> None:
    message = sdk_encrypt(plaintext, KEY, context, frame=4096)
    header = read_header(message)
    assert header.context == encode_pairs(context)
    assert header.data_key == WRAPPED
    assert open_body(message, header, KEY) == plaintext


def test_the_largest_context_that_kms_takes_goes_both_ways() -> None:
    context = {f"key-{n:02}": "v" * 100 for n in range(60)}
    assert sdk_decrypt(seal(b"x", context), KEY) == (b"x", context)


def test_key_derivation_is_hkdf_sha512_with_the_suite_id_in_its_info() -> None:
    def hkdf(info: bytes) -> bytes:
        return HKDF(hashes.SHA512(), 32, salt=b"i" * 32, info=info).derive(KEY)

    assert codec._derive(KEY, b"i" * 32) == (hkdf(b"\x04\x78DERIVEKEY"), hkdf(b"COMMITKEY"))


def test_every_flipped_bit_of_every_byte_fails_with_one_text() -> None:
    message = seal(b"4111 1111 1111 1111")
    for at in range(len(message)):
        for bit in range(8):
            damaged = bytearray(message)
            damaged[at] ^= 1 << bit
            # The provider information and ciphertext of the data key are opened by KMS, not here; the header tag
            # covers them all the same.
            with pytest.raises(DecryptionFailed, match=f"^{DecryptionFailed.TEXT}$"):
                unseal(bytes(damaged))


def test_every_truncation_and_every_trailing_byte_fails() -> None:
    message = seal(b"4111 1111 1111 1111")
    for size in range(len(message)):
        with pytest.raises(DecryptionFailed):
            unseal(message[:size])
    for tail in (b"\0", b"\xff" * 16, message):
        with pytest.raises(DecryptionFailed):
            unseal(message + tail)


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_garbage_is_refused_before_any_key_is_asked_for(garbage: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        read_header(garbage)
    with pytest.raises(DecryptionFailed):
        read_header(b"\x02\x04\x78" + garbage)


def test_another_data_key_fails_at_the_commitment() -> None:
    with pytest.raises(DecryptionFailed):
        unseal(seal(b"x"), bytes(32))


def test_a_message_whose_commitment_is_of_another_key_is_refused() -> None:
    """The attack that commitment exists for: tags made to fit, commitment not."""
    message = bytearray(seal(b"x"))
    header = read_header(bytes(message))
    at = bytes(message).index(header.commitment)
    message[at : at + 32] = hmac.digest(b"other", b"COMMITKEY\x01", "sha512")[:32]
    derived, _ = codec._derive(KEY, header.message_id)
    tag = codec.AESGCM(derived).encrypt(bytes(12), b"", bytes(message[: header.length]))
    message[header.length : header.length + 16] = tag
    with pytest.raises(DecryptionFailed):
        unseal(bytes(message))


def test_many_frames_are_not_this_shape() -> None:
    with pytest.raises(DecryptionFailed):
        read_header(sdk_encrypt(b"x" * 300, KEY, CONTEXT, frame=128))


def test_a_plaintext_over_the_limit_is_refused() -> None:
    with pytest.raises(PlaintextTooLarge):
        seal(bytes(MAX_PLAINTEXT + 1))


def test_errors_name_no_cause_and_carry_no_foreign_exception() -> None:
    with pytest.raises(DecryptionFailed) as caught:
        unseal(seal(b"x")[:-1] + b"\0")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
