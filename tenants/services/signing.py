"""Signed documents: what this deployment states and anybody can check later, without it.

    {"document": {"type": "...", ...}, "signature": {"algorithm": "Ed25519", "key_id": "...", "value": base64}}

Signed are the bytes of the document as canonical JSON: UTF-8, members sorted by name, no white space, and of numbers
only integers (the part of RFC 8785 that everybody's JSON library agrees on). `type` names the kind of document, so that
one of a kind never passes for one of another.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from django.conf import settings

from tenants.errors import SignatureInvalid, SigningKeyMissing

ALGORITHM: Final = "Ed25519"
_PUBLIC_PEM: Final = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with. `key_id` is the SHA-256 of its DER form, in hex."""

    key_id: str
    pem: str
    key: Ed25519PublicKey


def sign(document: Mapping[str, Any]) -> dict[str, Any]:
    """The signed document. `document` must name its `type`. Raises `SigningKeyMissing`, and `ValueError` for what is
    not canonical JSON."""
    if not isinstance(document.get("type"), str):
        raise ValueError("A signed document names its type.")
    private = load_private_key(settings.GATEWAY_SIGNING_KEY)
    signature = private.sign(canonical(document))
    return {
        "document": json.loads(canonical(document)),
        "signature": {
            "algorithm": ALGORITHM,
            "key_id": _public(private.public_key()).key_id,
            "value": base64.b64encode(signature).decode("ascii"),
        },
    }


def verify(signed: object, keys: tuple[PublicKey, ...]) -> dict[str, Any]:
    """The document, if one of these keys has signed it; raises `SignatureInvalid` and says nothing of what is wrong."""
    try:
        document, signature = signed["document"], signed["signature"]  # type: ignore[index]  # whatever it is
        named = [key for key in keys if key.key_id == signature["key_id"]]
        if signature["algorithm"] != ALGORITHM or not named or not isinstance(document, dict):
            raise SignatureInvalid("No key is known that could have signed this document.")
        value = base64.b64decode(signature["value"], validate=True)
        named[0].key.verify(value, canonical(document))
    except (InvalidSignature, KeyError, TypeError, ValueError) as error:
        raise SignatureInvalid("The document is not as it was signed.") from error
    return document


def canonical(document: object) -> bytes:
    """The one form of a document that is signed. Raises `ValueError` for what has more than one form."""
    _check(document)
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def public_keys() -> tuple[PublicKey, ...]:
    """Those that this deployment's documents are checked with, the present one first.

    A process that signs knows its own.
    Raises `SigningKeyMissing` where none is configured.
    """
    if settings.GATEWAY_SIGNING_PUBLIC_KEY:
        return read_public_keys(settings.GATEWAY_SIGNING_PUBLIC_KEY)
    return (_public(load_private_key(settings.GATEWAY_SIGNING_KEY).public_key()),)


def read_public_keys(text: str) -> tuple[PublicKey, ...]:
    """The public keys of a PEM text, in its order. Raises `SigningKeyMissing` where there is none, or one of another
    kind."""
    found = []
    for pem in _PUBLIC_PEM.findall(text):
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SigningKeyMissing("A public key cannot be read.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise SigningKeyMissing("A public key is not one of Ed25519.")
        found.append(_public(key))
    if not found:
        raise SigningKeyMissing("There is no public key in PEM form.")
    return tuple(found)


def load_private_key(text: str) -> Ed25519PrivateKey:
    """The key of this PEM text; raises `SigningKeyMissing`, which repeats nothing of it."""
    if not text:
        raise SigningKeyMissing("This process has no key to sign with: set GATEWAY_SIGNING_KEY.")
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SigningKeyMissing("The signing key cannot be read.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyMissing("The signing key is not one of Ed25519.")
    return key


def _public(key: Ed25519PublicKey) -> PublicKey:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    return PublicKey(hashlib.sha256(der).hexdigest(), pem, key)


def _check(value: object) -> None:
    """Strings, integers, true, false, null, and lists and objects of them: of these alone there is one form."""
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) and name.isascii() for name in value):
            raise ValueError("Names of members are ASCII.")
        for item in value.values():
            _check(item)
    elif isinstance(value, list):
        for item in value:
            _check(item)
    elif isinstance(value, str):
        value.encode()  # refuses a lone surrogate
    elif not (value is None or isinstance(value, bool | int)):
        raise ValueError("A signed document holds strings, integers, true, false and null.")
    if isinstance(value, int) and abs(value) >= 2**53:
        raise ValueError("An integer is too large for other JSON libraries.")
