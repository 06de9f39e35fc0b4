"""The wrapped form in which key material is imported: an RSA key for one import, and the token that belongs to it.

The token holds the private key, sealed, so that nothing has to be kept between the two calls.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from sandbox.kms.errors import Refusal, invalid_ciphertext, unsupported

_PURPOSE = b"import token"
_NONCE = 12
_VALID_SECONDS = 86_400

_BITS = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
# Whether an AES key stands between, and the hash of OAEP.
_ALGORITHMS: dict[str, tuple[bool, hashes.HashAlgorithm]] = {
    "RSAES_OAEP_SHA_1": (False, hashes.SHA1()),  # noqa: S303 - AWS still takes it
    "RSAES_OAEP_SHA_256": (False, hashes.SHA256()),
    "RSA_AES_KEY_WRAP_SHA_1": (True, hashes.SHA1()),  # noqa: S303 - as above
    "RSA_AES_KEY_WRAP_SHA_256": (True, hashes.SHA256()),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What GetParametersForImport answers with."""

    public_key: bytes
    token: bytes
    valid_to: float


def new_parameters(
    arn: str, algorithm: str, spec: str, *, now: float, sealing_key: bytes
) -> Parameters:
    """A wrapping key for one import into the key of that ARN."""
    if spec not in _BITS or algorithm not in _ALGORITHMS:
        raise unsupported(f"{algorithm} with {spec} is not supported here.")
    private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS[spec])
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    valid_to = now + _VALID_SECONDS
    text = json.dumps(
        {"arn": arn, "algorithm": algorithm, "to": valid_to, "key": b64encode(der).decode()}
    )
    nonce = secrets.token_bytes(_NONCE)
    token = nonce + AESGCM(sealing_key).encrypt(nonce, text.encode(), _PURPOSE)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Parameters(public, token, valid_to)


def unwrapped(wrapped: bytes, token: bytes, arn: str, *, now: float, sealing_key: bytes) -> bytes:
    """The key material; refuses a token that is forged, another key's or too old, and what was wrapped otherwise."""
    try:
        text = AESGCM(sealing_key).decrypt(token[:_NONCE], token[_NONCE:], _PURPOSE)
    except (InvalidTag, ValueError):
        raise _invalid_token() from None
    held = json.loads(text)
    if held["arn"] != arn:
        raise _invalid_token()
    if now >= held["to"]:
        raise Refusal("ExpiredImportTokenException", "The import token has expired.")
    private = load_der_private_key(b64decode(held["key"]), None)
    assert isinstance(private, rsa.RSAPrivateKey)  # noqa: S101 - sealed by ourselves
    with_aes, digest = _ALGORITHMS[held["algorithm"]]
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    size = private.key_size // 8
    try:
        opened = private.decrypt(wrapped[:size] if with_aes else wrapped, oaep)
        return aes_key_unwrap_with_padding(opened, wrapped[size:]) if with_aes else opened
    except (ValueError, InvalidUnwrap):
        raise invalid_ciphertext() from None


def _invalid_token() -> Refusal:
    return Refusal("InvalidImportTokenException", "The import token is not that of the key.")
