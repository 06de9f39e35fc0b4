"""The one message format that we write: AWS Encryption SDK, message version 2, suite 0x0478, one frame.

Suite 0x0478 is AES-256-GCM with HKDF-SHA512 and key commitment, without a signature. Any Encryption SDK client opens
these bytes. Section names are those of the AWS Encryption SDK specification, "data-format"; integers are big-endian.

    Message Header       Header Body (version 2)
      1  version            0x02
      2  algorithm suite    0x0478
     32  message id         random, the salt of the key derivation
      2+ AAD                length, then the encryption context as `crypto.context.encode_pairs` writes it
      2  encrypted data keys: how many; here one, of
      2+   key provider id            "aws-kms"
      2+   key provider information   ARN of the KMS key that wrapped it
      2+   ciphertext                 what KMS gave
      1  content type       0x02, framed
      4  frame length       the content length, rounded up to a multiple of 4,096
     32  algorithm suite data         the commitment to the data key
                         Header Authentication (version 2)
     16  tag of an empty plaintext under the derived key, IV of zeros, AAD = Header Body
    Message Body         Final Frame, the only one
      4  0xFFFFFFFF, the mark of the final frame
      4  sequence number 1
     12  IV, the sequence number
      4  content length
      n  content, encrypted
     16  tag; AAD = message id, "AWSKMSEncryptionClient Final Frame", sequence number, content length (8)

Each message has a key of its own, derived from the data key with a fresh 32-byte message id, so that the fixed IVs
never repeat under one key, and one data key may seal any practical number of messages.

Reading is stricter than AWS's own clients: the length must be exact, and whatever is wrong is `DecryptionFailed`.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.errors import DecryptionFailed, PlaintextTooLarge

PROVIDER = b"aws-kms"
MAX_PLAINTEXT = 16 * 1024 * 1024
ID_LENGTH = 32
_START = b"\x02\x04\x78"
_DERIVE_INFO = b"\x04\x78DERIVEKEY\x01"  # HKDF info, and the counter of RFC 5869's first block
_COMMIT_INFO = b"COMMITKEY\x01"
_FRAMED = 2
_FRAME_UNIT = 4096
_FINAL = b"\xff\xff\xff\xff\x00\x00\x00\x01" + bytes(11) + b"\x01"  # mark, sequence number, IV
_FRAME_IV = _FINAL[8:]
_HEADER_IV = bytes(12)
_TAG = 16
_BODY_AAD = b"AWSKMSEncryptionClient Final Frame" + b"\x00\x00\x00\x01"
_FRAME_HEAD = len(_FINAL) + 4


@dataclass(frozen=True, slots=True)
class EncryptedDataKey:
    """A data key wrapped by KMS, and the ARN of the key that wrapped it, as bytes of the message."""

    key_arn: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What a message says of itself. Nothing in it is true before `open_body` has authenticated it."""

    message_id: bytes
    context: bytes
    data_key: EncryptedDataKey
    commitment: bytes
    length: int


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
    header = b"".join(
        (
            _START,
            message_id,
            _sized(context),
            b"\x00\x01",
            _sized(PROVIDER),
            _sized(encrypted_data_key.key_arn),
            _sized(encrypted_data_key.ciphertext),
            struct.pack(">BI", _FRAMED, max(1, -(-size // _FRAME_UNIT)) * _FRAME_UNIT),
            commitment,
        )
    )
    return b"".join(
        (
            header,
            cipher.encrypt(_HEADER_IV, b"", header),
            _FINAL,
            struct.pack(">I", size),
            cipher.encrypt(_FRAME_IV, plaintext, _body_aad(message_id, size)),
        )
    )


def read_header(message: bytes) -> Header:
    """Split a message and check all that needs no key; raises `DecryptionFailed`.

    The cheap gate before any call to KMS: one pass, no allocation beyond the message's own size.
    """
    try:
        return _read_header(message)
    except (struct.error, IndexError):
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
    if message[:3] != _START:
        raise DecryptionFailed
    at = 3 + ID_LENGTH
    context, at = _read_sized(message, at)
    if message[at : at + 2] != b"\x00\x01":
        raise DecryptionFailed
    provider, at = _read_sized(message, at + 2)
    key_arn, at = _read_sized(message, at)
    ciphertext, at = _read_sized(message, at)
    content_type, frame_length = struct.unpack_from(">BI", message, at)
    length = at + 5 + 32
    frame = length + _TAG
    (size,) = struct.unpack_from(">I", message, frame + len(_FINAL))
    well_formed = (
        provider == PROVIDER
        and content_type == _FRAMED
        and size <= min(frame_length, MAX_PLAINTEXT)
        and message[frame : frame + len(_FINAL)] == _FINAL
        and len(message) == frame + _FRAME_HEAD + size + _TAG
    )
    if not well_formed:
        raise DecryptionFailed
    return Header(
        message_id=message[3 : 3 + ID_LENGTH],
        context=context,
        data_key=EncryptedDataKey(key_arn, ciphertext),
        commitment=message[at + 5 : length],
        length=length,
    )


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


def _read_sized(message: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">H", message, at)
    end = at + 2 + size
    if end > len(message):
        raise DecryptionFailed
    return message[at + 2 : end], end
