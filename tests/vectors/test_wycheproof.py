"""Wycheproof's edge cases for the three primitives that this project stands on, in the very calls that it makes."""

from __future__ import annotations

import hmac
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.vectors.official import needs_vectors, wycheproof

pytestmark = needs_vectors


def cases(name: str) -> list[Any]:
    return [
        pytest.param(group, test, id=f"{test['tcId']} {test['comment']}")
        for group, test in wycheproof(name)
    ]


def data(test: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(test[name]) for name in names]


@pytest.mark.parametrize(("group", "test"), cases("aes_gcm_test.json"))
def test_aes_gcm(group: dict[str, Any], test: dict[str, Any]) -> None:
    key, nonce, aad, plaintext, ciphertext, tag = data(test, "key", "iv", "aad", "msg", "ct", "tag")
    if not 8 <= len(nonce) <= 128:  # refused whatever the vector says: ours have 12 bytes
        with pytest.raises(ValueError, match="Nonce"):
            AESGCM(key).encrypt(nonce, plaintext, aad)
    elif test["result"] == "valid":
        assert AESGCM(key).encrypt(nonce, plaintext, aad) == ciphertext + tag
        assert AESGCM(key).decrypt(nonce, ciphertext + tag, aad) == plaintext
    else:
        with pytest.raises(InvalidTag):
            AESGCM(key).decrypt(nonce, ciphertext + tag, aad)


@pytest.mark.parametrize(("group", "test"), cases("hkdf_sha512_test.json"))
def test_hkdf_sha512(group: dict[str, Any], test: dict[str, Any]) -> None:
    secret, salt, info, expected = data(test, "ikm", "salt", "info", "okm")
    size = test["size"]
    if test["result"] != "valid":
        with pytest.raises(ValueError, match="larger than"):
            HKDF(hashes.SHA512(), size, salt=salt, info=info)
        return
    assert HKDF(hashes.SHA512(), size, salt=salt, info=info).derive(secret) == expected
    if size <= 64:  # one block: the form in which `crypto.message` and `crypto.blind_index` derive
        extracted = hmac.digest(salt or bytes(64), secret, "sha512")
        assert hmac.digest(extracted, info + b"\x01", "sha512")[:size] == expected


@pytest.mark.parametrize(("group", "test"), cases("hmac_sha512_test.json"))
def test_hmac_sha512(group: dict[str, Any], test: dict[str, Any]) -> None:
    key, message, tag = data(test, "key", "msg", "tag")
    found = hmac.digest(key, message, "sha512")[: group["tagSize"] // 8]
    assert hmac.compare_digest(found, tag) == (test["result"] == "valid")
