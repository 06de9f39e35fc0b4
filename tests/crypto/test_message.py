"""The message format: the Encryption SDK judges it both ways, and no damaged message opens."""

from __future__ import annotations

import hmac
import struct

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import message as codec
from crypto.context import encode_pairs
from crypto.errors import DecryptionFailed, PlaintextTooLarge
from crypto.foreign import open_foreign
from crypto.message import (
    MAX_FRAMES,
    MAX_PLAINTEXT,
    EncryptedDataKey,
    encode_names,
    open_body,
    read_header,
    seal_message,
)
from tests.crypto.kms import ARN
from tests.crypto.sdk import SIGNED, SUITE, UNCOMMITTED, Wrapped, sdk_decrypt, sdk_encrypt

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
        names=encode_names(encode_pairs(context), WRAPPED),
        message_id=message_id,
    )


def unseal(message: bytes, key: bytes = KEY) -> bytes:
    header = read_header(message)
    assert header.is_ours
    return open_body(message, header, key)


def unseal_any(message: bytes) -> bytes:
    """As the door does: damage may make a message look as if others had written it."""
    header = read_header(message)
    if header.is_ours:
        return open_body(message, header, KEY)
    return open_foreign(message, header, KEY, CONTEXT)


def frames(*frames_: bytes, length: int = 8, content_type: int = 2, keys: int = 1) -> bytes:
    """A message by hand: a header that is as it should be but for these fields, and then the bytes given."""
    key = b"\x00\x07aws-kms\x00\x01a\x00\x01b"
    body = b"\x02\x04\x78" + bytes(32) + b"\x00\x00" + struct.pack(">H", keys) + key * keys
    return (
        body + struct.pack(">BI", content_type, length) + bytes(32) + bytes(16) + b"".join(frames_)
    )


def regular(number: int, length: int = 8) -> bytes:
    return struct.pack(">I", number) + bytes(12 + length + 16)


def final(number: int, length: int = 8) -> bytes:
    return b"\xff" * 4 + struct.pack(">I12xI", number, length) + bytes(length + 16)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=9_000), contexts, st.binary(min_size=32, max_size=32))
def test_the_sdk_opens_what_we_seal(
    plaintext: bytes, context: dict[str, str], message_id: bytes
) -> None:
    assert sdk_decrypt(seal(plaintext, context, message_id), KEY) == (plaintext, context)


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=4_000), contexts)
def test_we_open_what_the_sdk_seals(plaintext: bytes, context: dict[str, str]) -> None:
    message = sdk_encrypt(plaintext, KEY, context)
    header = read_header(message)
    assert header.context == encode_pairs(context)
    assert header.data_keys == (WRAPPED,)
    assert unseal(message) == plaintext


@pytest.mark.parametrize("size", [0, 1, 4_095, 4_096, 4_097, 8_192, 100_000])
def test_lengths_around_the_frame_unit_go_both_ways(size: int) -> None:
    """The frame is never full: the SDK for Python up to version 3, and so its command line, refuses that."""
    message = seal(bytes(size))
    assert sdk_decrypt(message, KEY) == (bytes(size), CONTEXT)
    assert unseal(message) == bytes(size)
    assert read_header(message).frame_length == (size // 4_096 + 1) * 4_096


def test_lengths_are_unsigned() -> None:
    for size in (2**15, 2**16 - 1):
        wrapped = EncryptedDataKey(ARN.encode(), bytes(size))
        message = seal_message(
            b"x", data_key=KEY, names=encode_names(b"", wrapped), message_id=bytes(32)
        )
        assert read_header(message).data_keys == (wrapped,)
        assert sdk_decrypt(message, KEY) == (b"x", {})


def test_the_largest_context_that_kms_takes_and_the_empty_one_go_both_ways() -> None:
    for context in ({f"key-{n:02}": "v" * 100 for n in range(64)}, {"k": "v" * 8_185}, {}):
        assert sdk_decrypt(seal(b"x", context), KEY) == (b"x", context)
        assert unseal(sdk_encrypt(b"x", KEY, context)) == b"x"


def test_the_largest_plaintext_opens_and_one_more_byte_is_refused() -> None:
    assert unseal(seal(bytes(MAX_PLAINTEXT))) == bytes(MAX_PLAINTEXT)
    with pytest.raises(PlaintextTooLarge, match=str(MAX_PLAINTEXT)):
        seal(bytes(MAX_PLAINTEXT + 1))


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
                unseal_any(bytes(damaged))


def test_every_truncation_and_every_trailing_byte_fails_before_a_key_is_asked_for() -> None:
    for message in (seal(b"4111 1111 1111 1111"), sdk_encrypt(b"x" * 300, KEY, {}, frame=128)):
        for size in range(len(message)):
            with pytest.raises(DecryptionFailed):
                read_header(message[:size])
        for tail in (b"\0", b"\xff" * 16, message):
            with pytest.raises(DecryptionFailed):
                read_header(message + tail)


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\x02\x04\x78", b"\x02\x05\x78"]))
def test_garbage_is_refused_before_any_key_is_asked_for(garbage: bytes, start: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        read_header(start + garbage)


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
    tag = AESGCM(derived).encrypt(bytes(12), b"", bytes(message[: header.length]))
    message[header.length : header.length + 16] = tag
    with pytest.raises(DecryptionFailed):
        unseal(bytes(message))


@pytest.mark.parametrize(
    ("frame", "suite", "plaintext"),
    [(128, SUITE, b"x" * 300), (0, SUITE, b"x"), (4096, SIGNED, b"x"), (0, SIGNED, b"x")],
    ids=["frames", "no frames", "signed", "signed without frames"],
)
def test_other_shapes_are_read_and_not_taken_for_ours(
    frame: int, suite: object, plaintext: bytes
) -> None:
    header = read_header(sdk_encrypt(plaintext, KEY, CONTEXT, frame=frame, suite=suite))
    assert not header.is_ours
    assert header.signed == (suite is SIGNED)
    assert header.frame_length == frame


def test_a_message_with_two_data_keys_is_not_ours() -> None:
    keys = [Wrapped(b"one"), Wrapped(b"two", "k", "raw")]
    header = read_header(sdk_encrypt(b"x", lambda _: (KEY, keys), CONTEXT))
    assert not header.is_ours
    assert set(header.data_keys) == {
        EncryptedDataKey(b"k", b"two", b"raw"),
        EncryptedDataKey(ARN.encode(), b"one"),
    }


def test_a_body_without_frames_that_looks_like_a_final_frame_is_not_ours() -> None:
    body = codec._FINAL[:12] + struct.pack(">Q", 0x0000000000000001) + bytes(1 + 16)
    message = frames(body, content_type=1, length=0)
    assert not read_header(message).is_ours


@pytest.mark.parametrize(
    "message",
    [
        frames(final(1)),
        frames(final(1, 0)),
        frames(regular(1), final(2)),
        frames(regular(1), regular(2), final(3, 3)),
        frames(bytes(12) + struct.pack(">Q", 4) + bytes(20), content_type=1, length=0),
        frames(final(1), keys=3),
        frames(final(1), length=2**31),
        frames(final(1), length=2**32 - 1),
    ],
)
def test_a_well_formed_message_is_read(message: bytes) -> None:
    assert read_header(message).message_id == bytes(32)


@pytest.mark.parametrize(
    "message",
    [
        frames(final(2)),
        frames(final(0)),
        frames(final(1, 9)),
        frames(regular(1)),
        frames(regular(0), final(1)),
        frames(regular(1), final(1)),
        frames(regular(1), final(3)),
        frames(regular(2), regular(1), final(3)),
        frames(final(1), final(2)),
        frames(final(1, 0), length=0),
        frames(final(1), content_type=3),
        frames(final(1), content_type=0),
        frames(final(1), content_type=1),
        frames(bytes(12) + struct.pack(">Q", 5) + bytes(20), content_type=1, length=0),
        frames(bytes(12) + struct.pack(">Q", 3) + bytes(20), content_type=1, length=0),
        frames(bytes(12) + struct.pack(">Q", 2**63) + bytes(20), content_type=1, length=0),
        frames(bytes(12) + struct.pack(">Q", 2**64 - 16), content_type=1, length=0),
        frames(bytes(12) + struct.pack(">Q", 4) + bytes(20), content_type=1, length=8),
        frames(bytes(12) + struct.pack(">Q", 4) + bytes(20), content_type=2, length=0),
        frames(b"\xff" * 4 + struct.pack(">I12xI", 1, 2**32 - 16)),
        b"\x02\x05\x78" + frames(bytes(12) + b"\xff" * 8 + bytes(20), content_type=1, length=0)[3:],
        frames(final(1), keys=0),
        frames(final(1), keys=4),
        b"\x01" + frames(final(1))[1:],
        b"\x02\x04\x79" + frames(final(1))[3:],
        b"\x02\x05\x78" + frames(final(1))[3:],
        frames(final(1)) + b"\x00\x00",
        sdk_encrypt(b"x", KEY, CONTEXT, suite=UNCOMMITTED),
    ],
)
def test_anything_out_of_place_is_refused(message: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        read_header(message)


def test_frames_and_bytes_are_bounded() -> None:
    most = [regular(number, 1) for number in range(1, MAX_FRAMES)]
    assert read_header(frames(*most, final(MAX_FRAMES, 1), length=1)).frame_length == 1
    with pytest.raises(DecryptionFailed):
        read_header(frames(*most, regular(MAX_FRAMES, 1), final(MAX_FRAMES + 1, 1), length=1))
    room = MAX_PLAINTEXT + 2**20 - len(frames(final(1, 0)))
    assert read_header(frames(final(1, room), length=room)).is_ours is False
    with pytest.raises(DecryptionFailed):
        read_header(frames(final(1, room + 1), length=room + 1))


def test_errors_name_no_cause_and_carry_no_foreign_exception() -> None:
    for message in (seal(b"x")[:-1] + b"\0", b"\x02\x04\x78" + bytes(20)):
        with pytest.raises(DecryptionFailed) as caught:
            unseal(message)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
