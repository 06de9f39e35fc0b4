"""The message format: AWS Encryption SDK, message version 2, with key commitment. Reads all of it, writes one shape.

We write suite 0x0478, AES-256-GCM with HKDF-SHA512 and key commitment, in one frame; any Encryption SDK client opens
it. We read 0x0578 as well, which adds an ECDSA P-384 signature, and any number of frames up to `MAX_FRAMES`. Section
names are those of the AWS Encryption SDK specification, "data-format"; integers are big-endian.

    Message Header       Header Body (version 2)
      1  version            0x02
      2  algorithm suite    0x0478, or 0x0578
     32  message id         random, the salt of the key derivation
      2+ AAD                length, then the encryption context as `crypto.context.encode_pairs` writes it
      2  encrypted data keys: how many, one in ours, of
      2+   key provider id            "aws-kms"
      2+   key provider information   ARN of the KMS key that wrapped it
      2+   ciphertext                 what KMS gave
      1  content type       0x02, framed; others may write 0x01, without frames
      4  frame length       the next multiple of 4,096 above the content length
     32  algorithm suite data         the commitment to the data key
                         Header Authentication (version 2)
     16  tag of an empty plaintext under the derived key, IV of zeros, AAD = Header Body
    Message Body         Final Frame, in ours the only one
      4  0xFFFFFFFF, the mark of the final frame, which frames before it do not have
      4  sequence number, from 1
     12  IV, the sequence number
      4  content length, in the final frame only
      n  content, encrypted
     16  tag; AAD = message id, "AWSKMSEncryptionClient Final Frame", sequence number, content length (8)
    Message Footer       2+ signature, with suite 0x0578 only

Each message has a key of its own, derived from the data key with a fresh 32-byte message id, so that the fixed IVs
never repeat under one key, and one data key may seal any practical number of messages.

Reading is stricter than AWS's own clients: the length must be exact, and whatever is wrong is `DecryptionFailed`.
"""

from __future__ import annotations

import hmac
import struct
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.errors import DecryptionFailed, PlaintextTooLarge

PROVIDER: Final = b"aws-kms"
MAX_PLAINTEXT: Final = 16 * 1024 * 1024
MAX_DATA_KEYS: Final = 3
MAX_FRAMES: Final = 16_384
ID_LENGTH: Final = 32
_MAX_MESSAGE = MAX_PLAINTEXT + 2**20  # what header, frames and footer may add
_PLAIN, _SIGNED = b"\x02\x04\x78", b"\x02\x05\x78"
_DERIVE_INFO = b"\x04\x78DERIVEKEY\x01"  # HKDF info, and the counter of RFC 5869's first block
_COMMIT_INFO = b"COMMITKEY\x01"
_UNFRAMED, _FRAMED = 1, 2
_FRAME_UNIT = 4096
_FINAL = b"\xff\xff\xff\xff\x00\x00\x00\x01" + bytes(11) + b"\x01"  # mark, sequence number, IV
_FRAME_IV = _FINAL[8:]
_HEADER_IV = bytes(12)
_TAG = 16
_BODY_AAD = b"AWSKMSEncryptionClient Final Frame\x00\x00\x00\x01"
_FRAME_HEAD = len(_FINAL) + 4


class EncryptedDataKey(NamedTuple):
    """A data key wrapped by KMS, and the ARN of the key that wrapped it, as bytes of the message."""

    key_arn: bytes
    ciphertext: bytes
    provider: bytes = PROVIDER


class Header(NamedTuple):
    """What a message says of itself. Nothing in it is true before the message has been authenticated."""

    signed: bool
    message_id: bytes
    context: bytes
    data_keys: tuple[EncryptedDataKey, ...]
    commitment: bytes
    frame_length: int  # 0 where there are no frames
    length: int  # of the Header Body
    is_ours: bool  # whether it has the shape that we write, which `open_body` reads


def seal_message(
    plaintext: bytes,
    *,
    data_key: bytes,
    encrypted_data_key: EncryptedDataKey,
    context: bytes,
    message_id: bytes,
) -> bytes:
    """Write one message.

    `data_key` is 32 bytes, `context` comes from `encode_pairs`, `message_id` is 32 fresh random bytes: repeating one
    under the same data key would repeat an AES-GCM IV. Raises `PlaintextTooLarge` above `MAX_PLAINTEXT` bytes.
    """
    size = len(plaintext)
    if size > MAX_PLAINTEXT:
        raise PlaintextTooLarge(f"At most {MAX_PLAINTEXT} bytes fit into a message.")
    derived, commitment = _derive(data_key, message_id)
    cipher = AESGCM(derived)
    key = (
        _sized(PROVIDER)
        + _sized(encrypted_data_key.key_arn)
        + _sized(encrypted_data_key.ciphertext)
    )
    # Longer than the content, never equal: the SDK for Python refused a full final frame up to version 3.
    frames = struct.pack(">BI", _FRAMED, (size // _FRAME_UNIT + 1) * _FRAME_UNIT)
    header = _PLAIN + message_id + _sized(context) + b"\x00\x01" + key + frames + commitment
    tag = cipher.encrypt(_HEADER_IV, b"", header)
    content = cipher.encrypt(_FRAME_IV, plaintext, _body_aad(message_id, size))
    return b"".join((header, tag, _FINAL, struct.pack(">I", size), content))


def read_header(message: bytes) -> Header:
    """Split a message and check all that needs no key, down to its last byte; raises `DecryptionFailed`.

    The cheap gate before any call to KMS: one pass, no allocation beyond the message's own size.
    """
    try:
        return _read_header(message)
    except struct.error:
        raise DecryptionFailed from None


def open_body(message: bytes, header: Header, data_key: bytes) -> bytes:
    """The plaintext, after the commitment, the header tag and the frame's tag have passed; else `DecryptionFailed`.

    The commitment is compared first: without it a message could be made that opens under two keys to two texts.
    """
    derived, commitment = _derive(data_key, header.message_id)
    if not hmac.compare_digest(commitment, header.commitment):
        raise DecryptionFailed
    cipher = AESGCM(derived)
    body = header.length + _TAG
    frame = body + _FRAME_HEAD
    size = len(message) - frame - _TAG
    try:
        cipher.decrypt(_HEADER_IV, message[header.length : body], message[: header.length])
        return cipher.decrypt(_FRAME_IV, message[frame:], _body_aad(header.message_id, size))
    except InvalidTag:
        raise DecryptionFailed from None


def _read_header(message: bytes) -> Header:
    signed = message[:3] == _SIGNED
    if len(message) > _MAX_MESSAGE or not (signed or message[:3] == _PLAIN):
        raise DecryptionFailed
    context, at = read_sized(message, 3 + ID_LENGTH)
    (count,) = struct.unpack_from(">H", message, at)
    if not 1 <= count <= MAX_DATA_KEYS:
        raise DecryptionFailed
    at += 2
    data_keys = []
    for _ in range(count):
        provider, at = read_sized(message, at)
        key_arn, at = read_sized(message, at)
        ciphertext, at = read_sized(message, at)
        data_keys.append(EncryptedDataKey(key_arn, ciphertext, provider))
    content_type, frame_length = struct.unpack_from(">BI", message, at)
    length = at + 5 + 32
    body = length + _TAG
    end = _end_of_body(message, body, content_type, frame_length)
    if signed:
        _, end = read_sized(message, end)
    if end != len(message):
        raise DecryptionFailed
    is_ours = (
        not signed and count == 1 and content_type == _FRAMED and message.startswith(_FINAL, body)
    )
    commitment, message_id = message[at + 5 : length], message[3 : 3 + ID_LENGTH]
    return Header(
        signed, message_id, context, tuple(data_keys), commitment, frame_length, length, is_ours
    )


def _end_of_body(message: bytes, at: int, content_type: int, frame_length: int) -> int:
    """Where the final frame ends: sequence numbers count from 1, and all frames but the last are full."""
    if content_type == _UNFRAMED and frame_length == 0:
        (size,) = struct.unpack_from(">Q", message, at + 12)
        return at + 12 + 8 + min(int(size), len(message)) + _TAG
    if content_type != _FRAMED or frame_length == 0:
        raise DecryptionFailed
    for number in range(1, MAX_FRAMES + 1):
        (sequence,) = struct.unpack_from(">I", message, at)
        if sequence == 0xFFFFFFFF:
            sequence, size = struct.unpack_from(">I12xI", message, at + 4)
            if sequence != number or size > frame_length:
                break
            return at + _FRAME_HEAD + int(size) + _TAG
        if sequence != number:
            break
        at += 4 + 12 + frame_length + _TAG
    raise DecryptionFailed


def _derive(data_key: bytes, message_id: bytes) -> tuple[bytes, bytes]:
    """HKDF-SHA512 (RFC 5869): one extract and, since 32 bytes fit into one block, one HMAC for each output."""
    pseudo_random_key = hmac.digest(message_id, data_key, "sha512")
    derived = hmac.digest(pseudo_random_key, _DERIVE_INFO, "sha512")[:32]
    commitment = hmac.digest(pseudo_random_key, _COMMIT_INFO, "sha512")[:32]
    return derived, commitment


def _body_aad(message_id: bytes, size: int) -> bytes:
    return message_id + _BODY_AAD + struct.pack(">Q", size)


def _sized(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def read_sized(message: bytes, at: int) -> tuple[bytes, int]:
    """The bytes behind a 16-bit length at that place, and where they end. Raises `DecryptionFailed`, `struct.error`."""
    (size,) = struct.unpack_from(">H", message, at)
    end = at + 2 + size
    if end > len(message):
        raise DecryptionFailed
    return message[at + 2 : end], end
