"""Signed documents: one form, one key, and nothing that was changed passes."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tenants.errors import SignatureInvalid, SigningKeyMissing
from tenants.services.signing import (
    canonical,
    load_private_key,
    public_keys,
    read_public_keys,
    sign,
    verify,
)

DOCUMENT: dict[str, Any] = {
    "type": "mrk-gateway/test/v1",
    "text": 'é\n"\\',
    "count": 3,
    "none": None,
    "list": [True, {"b": 1, "a": ""}],
}


def public_pem(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def private_pem(key: Any) -> str:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


def test_what_was_signed_is_genuine_and_survives_any_json_library() -> None:
    signed = sign(DOCUMENT)
    assert verify(signed, public_keys()) == DOCUMENT
    again = json.loads(json.dumps(signed, indent=3, ensure_ascii=True))
    assert verify(again, public_keys()) == DOCUMENT


def test_the_canonical_form_is_one() -> None:
    assert canonical({"b": [1, None], "a": "é\n"}) == '{"a":"é\\n","b":[1,null]}'.encode()
    assert canonical(DOCUMENT) == canonical(dict(reversed(DOCUMENT.items())))


@pytest.mark.parametrize(
    "document",
    [
        {"type": "x", "n": 1.0},
        {"type": "x", "n": float("nan")},
        {"type": "x", "n": 2**53},
        {"type": "x", "n": "\ud800"},
        {"type": "x", "n": b"bytes"},
        {"type": "x", "é": 1},
        {"type": "x", 1: 1},
        {"n": 1},
        {"type": 1},
    ],
)
def test_what_has_more_than_one_form_is_not_signed(document: dict[Any, Any]) -> None:
    with pytest.raises((ValueError, UnicodeEncodeError)):
        sign(document)


def test_every_change_is_found() -> None:
    signed = sign(DOCUMENT)
    changes: list[tuple[str, str, Any]] = [
        ("document", "count", 4),
        ("document", "count", "3"),
        ("document", "more", 1),
        ("document", "type", "mrk-gateway/other/v1"),
        ("signature", "value", base64.b64encode(bytes(64)).decode()),
        ("signature", "value", "?"),
        ("signature", "value", ""),
        ("signature", "value", 5),
        ("signature", "key_id", "0" * 64),
        ("signature", "algorithm", "none"),
        ("signature", "algorithm", "HS256"),
    ]
    for part, name, value in changes:
        changed = copy.deepcopy(signed)
        changed[part][name] = value
        with pytest.raises(SignatureInvalid):
            verify(changed, public_keys())
    others: list[Any] = [
        None,
        [],
        "x",
        {},
        {"document": DOCUMENT},
        {"document": [], "signature": {}},
    ]
    for wrong in others:
        with pytest.raises(SignatureInvalid):
            verify(wrong, public_keys())


def test_another_key_signs_nothing_of_ours_even_under_our_keys_name() -> None:
    other = Ed25519PrivateKey.generate()
    forged = sign(DOCUMENT)
    forged["signature"]["value"] = base64.b64encode(other.sign(canonical(DOCUMENT))).decode()
    with pytest.raises(SignatureInvalid):
        verify(forged, public_keys())
    with pytest.raises(SignatureInvalid):
        verify(sign(DOCUMENT), read_public_keys(public_pem(other)))


def test_after_a_new_key_older_documents_are_checked_with_the_old_one(settings: Any) -> None:
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    settings.GATEWAY_SIGNING_KEY = private_pem(old)
    signed = sign(DOCUMENT)
    settings.GATEWAY_SIGNING_KEY = private_pem(new)
    settings.GATEWAY_SIGNING_PUBLIC_KEY = public_pem(new) + public_pem(old)
    assert len(public_keys()) == 2
    assert verify(signed, public_keys()) == DOCUMENT
    assert sign(DOCUMENT)["signature"]["key_id"] == public_keys()[0].key_id


def test_only_an_ed25519_key_is_taken_and_no_error_repeats_it() -> None:
    curve = generate_private_key(SECP256R1())
    good = private_pem(Ed25519PrivateKey.generate())
    for text in ("", "nonsense", good[:60], private_pem(curve)):
        with pytest.raises(SigningKeyMissing) as caught:
            load_private_key(text)
        assert not text or text[:40] not in str(caught.value)
    for text in ("", "nonsense", public_pem(curve), good):
        with pytest.raises(SigningKeyMissing):
            read_public_keys(text)


def test_openssl_alone_can_check_a_document(tmp_path: Path) -> None:
    signed = sign(DOCUMENT)
    (tmp_path / "document").write_bytes(canonical(signed["document"]))
    (tmp_path / "signature").write_bytes(base64.b64decode(signed["signature"]["value"]))
    (tmp_path / "key.pem").write_text(public_keys()[0].pem)
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in document -sigfile signature"
    done = subprocess.run(
        command.split(), cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
