"""The ciphertext blob: opaque, and tamper evident as a whole.

Two layers of AES-256-GCM. The inner one is made with the key's material and authenticates the key id, the material id
and the encryption context. The outer one is made with a secret of this stand-in: it hides which key was used, and a
changed bit anywhere is an invalid ciphertext before any key is looked for, as it is at AWS.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.kms.errors import invalid_ciphertext
from sandbox.kms.keys import KeySet, Material

_VERSION = b"\x01"
_NONCE = 12
_KEY_ID = 36  # both forms of key ids have 36 characters
_MATERIAL_ID = 32

EncryptionContext = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Blob:
    """A ciphertext whose outer layer is off: which key and material it needs, and the inner layer."""

    key_id: str
    material_id: str
    sealed: bytes


def encrypt(
    plaintext: bytes, key_set: KeySet, context: EncryptionContext, *, sealing_key: bytes
) -> bytes:
    """The blob of `plaintext` under the current material of the key."""
    material = key_set.current
    header = key_set.key_id.encode() + bytes.fromhex(material.id)
    nonce = os.urandom(_NONCE)
    sealed = _cipher(material.secret).encrypt(nonce, plaintext, header + _canonical(context))
    outer_nonce = os.urandom(_NONCE)
    body = _cipher(sealing_key).encrypt(outer_nonce, header + nonce + sealed, _VERSION)
    return _VERSION + outer_nonce + body


def open_blob(blob: bytes, *, sealing_key: bytes) -> Blob:
    """Take the outer layer off; refuses what this stand-in has not made."""
    if len(blob) <= len(_VERSION) + _NONCE or blob[:1] != _VERSION:
        raise invalid_ciphertext()
    nonce, body = blob[1 : 1 + _NONCE], blob[1 + _NONCE :]
    try:
        inner = _cipher(sealing_key).decrypt(nonce, body, _VERSION)
    except InvalidTag:
        raise invalid_ciphertext() from None
    split = _KEY_ID + _MATERIAL_ID
    return Blob(inner[:_KEY_ID].decode(), inner[_KEY_ID:split].hex(), inner[split:])


def decrypt(blob: Blob, key_set: KeySet, context: EncryptionContext) -> tuple[bytes, Material]:
    """The plaintext and the material that had sealed it; refuses another encryption context."""
    material = next((item for item in key_set.materials if item.id == blob.material_id), None)
    if material is None:
        raise invalid_ciphertext()
    header = blob.key_id.encode() + bytes.fromhex(blob.material_id)
    nonce, sealed = blob.sealed[:_NONCE], blob.sealed[_NONCE:]
    try:
        plaintext = _cipher(material.secret).decrypt(nonce, sealed, header + _canonical(context))
    except InvalidTag:
        raise invalid_ciphertext() from None
    return plaintext, material


def _canonical(context: EncryptionContext) -> bytes:
    return orjson.dumps(context, option=orjson.OPT_SORT_KEYS)


@lru_cache(maxsize=4096)
def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(secret)
