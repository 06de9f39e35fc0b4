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
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC

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
_SHA512 = SHA512()
_UINT16, _UINT32, _FRAMES = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">BI")
_FINAL_FRAME = struct.Struct(">4xI12xI")  # sequence number, content length


class EncryptedDataKey(NamedTuple):
    """A data key wrapped by KMS, and the ARN of the key that wrapped it, as bytes of the message."""

    key_arn: bytes
    ciphertext: bytes
    provider: bytes = PROVIDER


class Header(NamedTuple):
    """What a message says of itself. Nothing in it is true before the message has been authenticated."""

    signed: bool
    message_id: bytes
    names: bytes  # AAD and encrypted data keys, as `encode_names` writes them
    commitment: bytes
    frame_length: int  # 0 where there are no frames
    length: int  # of the Header Body
    is_ours: bool  # whether it has the shape that we write, which `open_body` reads

    @property
    def context(self) -> bytes:
        """The encryption context, as `crypto.context.encode_pairs` writes it."""
        return read_sized(self.names, 0)[0]

    @property
    def data_keys(self) -> tuple[EncryptedDataKey, ...]:
        """All encrypted data keys."""
        return decode_names(self.names)[1]


def seal_message(plaintext: bytes, *, data_key: bytes, names: bytes, message_id: bytes) -> bytes:
    """Write one message.

    `data_key` is 32 bytes, `names` comes from `encode_names`, `message_id` is 32 fresh random bytes: repeating one
    under the same data key would repeat an AES-GCM IV. Raises `PlaintextTooLarge` above `MAX_PLAINTEXT` bytes.
    """
    size = len(plaintext)
    if size > MAX_PLAINTEXT:
        raise PlaintextTooLarge(f"At most {MAX_PLAINTEXT} bytes fit into a message.")
    derived, commitment = _derive(data_key, message_id)
    cipher = AESGCM(derived)
    # Longer than the content, never equal: the SDK for Python refused a full final frame up to version 3.
    frames = _FRAMES.pack(_FRAMED, (size // _FRAME_UNIT + 1) * _FRAME_UNIT)
    header = b"".join((_PLAIN, message_id, names, frames, commitment))
    tag = cipher.encrypt(_HEADER_IV, b"", header)
    content = cipher.encrypt(_FRAME_IV, plaintext, _body_aad(message_id, size))
    return b"".join((header, tag, _FINAL, size.to_bytes(4, "big"), content))


def encode_names(context: bytes, encrypted: EncryptedDataKey) -> bytes:
    """What the header says of the key, the same in all messages of a data key: context, and the one data key."""
    key = _sized(encrypted.provider) + _sized(encrypted.key_arn) + _sized(encrypted.ciphertext)
    return _sized(context) + b"\x00\x01" + key


def decode_names(names: bytes) -> tuple[bytes, tuple[EncryptedDataKey, ...]]:
    """The encryption context and the encrypted data keys that `read_header` has found."""
    context, at = read_sized(names, 0)
    at += 2
    data_keys = []
    while at < len(names):
        provider, at = read_sized(names, at)
        key_arn, at = read_sized(names, at)
        ciphertext, at = read_sized(names, at)
        data_keys.append(EncryptedDataKey(key_arn, ciphertext, provider))
    return context, tuple(data_keys)


def read_header(message: bytes) -> Header:
    """Split a message and check all that needs no key, down to its last byte; raises `DecryptionFailed`.

    The cheap gate before any call to KMS: one pass, no allocation beyond the message's own size.
    """
    try:
        signed = message.startswith(_SIGNED)
        if len(message) > _MAX_MESSAGE or not (signed or message.startswith(_PLAIN)):
            raise DecryptionFailed
        # Each length leads to the next.
        length_at = _UINT16.unpack_from
        at = 3 + ID_LENGTH
        at += 2 + length_at(message, at)[0]
        (count,) = length_at(message, at)
        if not 1 <= count <= MAX_DATA_KEYS:
            raise DecryptionFailed
        at += 2
        for _ in range(3 * count):
            at += 2 + length_at(message, at)[0]
        content_type, frame_length = _FRAMES.unpack_from(message, at)
        length = at + 5 + 32
        body = length + _TAG
        one_frame = content_type == _FRAMED and message.startswith(_FINAL, body)
        if one_frame:
            end = _end_of_final(message, body, 1, frame_length)
        else:
            end = _end_of_body(message, body, content_type, frame_length)
        if signed:
            _, end = read_sized(message, end)
        if end != len(message):
            raise DecryptionFailed
        names, commitment = message[3 + ID_LENGTH : at], message[at + 5 : length]
        is_ours = one_frame and count == 1 and not signed
        message_id = message[3 : 3 + ID_LENGTH]
        return Header(signed, message_id, names, commitment, frame_length, length, is_ours)
    except struct.error:  # a length led beyond the end
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


def _end_of_body(message: bytes, at: int, content_type: int, frame_length: int) -> int:
    """Where the final frame ends: sequence numbers count from 1, and all frames but the last are full."""
    if content_type == _UNFRAMED and frame_length == 0:
        (size,) = struct.unpack_from(">Q", message, at + 12)
        return at + 12 + 8 + min(int(size), len(message)) + _TAG
    if content_type != _FRAMED or frame_length == 0:
        raise DecryptionFailed
    for number in range(1, MAX_FRAMES + 1):
        (sequence,) = _UINT32.unpack_from(message, at)
        if sequence == 0xFFFFFFFF:
            return _end_of_final(message, at, number, frame_length)
        if sequence != number:
            break
        at += 4 + 12 + frame_length + _TAG
    raise DecryptionFailed


def _end_of_final(message: bytes, at: int, number: int, frame_length: int) -> int:
    sequence, size = _FINAL_FRAME.unpack_from(message, at)
    if sequence != number or size > frame_length:
        raise DecryptionFailed
    return at + _FRAME_HEAD + int(size) + _TAG


def _derive(data_key: bytes, message_id: bytes) -> tuple[bytes, bytes]:
    """HKDF-SHA512 (RFC 5869): one extract and, since 32 bytes fit into one block, one HMAC for each output.

    Both outputs have the same HMAC key, whose state is copied. That halves the time of `HKDF`, and it is most of ours.
    """
    extract = HMAC(message_id, _SHA512)
    extract.update(data_key)
    derived = HMAC(extract.finalize(), _SHA512)
    commitment = derived.copy()
    derived.update(_DERIVE_INFO)
    commitment.update(_COMMIT_INFO)
    return derived.finalize()[:32], commitment.finalize()[:32]


def _body_aad(message_id: bytes, size: int) -> bytes:
    return message_id + _BODY_AAD + size.to_bytes(8, "big")


def _sized(value: bytes) -> bytes:
    return _UINT16.pack(len(value)) + value


def read_sized(message: bytes, at: int) -> tuple[bytes, int]:
    """The bytes behind a 16-bit length at that place, and where they end. Raises `DecryptionFailed`, `struct.error`."""
    (size,) = _UINT16.unpack_from(message, at)
    end = at + 2 + size
    if end > len(message):
        raise DecryptionFailed
    return message[at + 2 : end], end
