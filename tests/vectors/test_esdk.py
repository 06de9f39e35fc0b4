"""The Encryption SDK's own vectors: known answers of key commitment, and messages that its .NET client wrote."""

from __future__ import annotations

import hmac
from base64 import b64decode
from contextlib import suppress
from functools import cache
from hashlib import sha512
from io import BytesIO
from itertools import product
from typing import Any

import pytest
from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.internal.formatting.deserialize import deserialize_header
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from crypto.context import EncryptionContext, Purpose, encode_pairs
from crypto.errors import DecryptionFailed
from crypto.foreign import open_foreign, pairs_of
from crypto.message import open_body, read_header
from tests.crypto.sdk import GivenDataKeys, Wrapped
from tests.vectors.official import Message, key_material, messages, needs_vectors, read_json

pytestmark = needs_vectors
KNOWN_ANSWERS = read_json("esdk-commitment.json").get("tests", [])
SHAPES = {"committed": [m for m in messages() if m.has_commitment]}
RAW = [message for message in messages() if message.is_raw]


def unseal(message: bytes, data_key: bytes, pairs: dict[str, str]) -> bytes:
    """As the door does, with the data key given."""
    header = read_header(message)
    if header.is_ours:
        assert header.context == encode_pairs(pairs)
        return open_body(message, header, data_key)
    return open_foreign(message, header, data_key, pairs)


@pytest.mark.parametrize("answer", KNOWN_ANSWERS, ids=lambda answer: answer["comment"][:60])
def test_a_known_answer_of_key_commitment(answer: dict[str, Any]) -> None:
    message, data_key = b64decode(answer["ciphertext"]), b64decode(answer["decrypted-dek"])
    pairs = answer["encryption-context"]
    if not answer["status"]:
        with pytest.raises(DecryptionFailed):
            unseal(message, data_key, pairs)
        return
    assert unseal(message, data_key, pairs) == "".join(answer["plaintext-frames"]).encode()
    header = read_header(message)
    commitment, content_key = by_the_book(data_key, message[1:3], header.message_id)
    assert commitment == header.commitment == b64decode(answer["commitment"])
    if "content-encryption-key" in answer:
        assert content_key == b64decode(answer["content-encryption-key"])


def by_the_book(data_key: bytes, suite: bytes, message_id: bytes) -> tuple[bytes, bytes]:
    """Commitment and content key by RFC 5869 and the standard library alone."""
    extracted = hmac.new(message_id, data_key, sha512).digest()
    return tuple(  # type: ignore[return-value]
        hmac.new(extracted, info + b"\x01", sha512).digest()[:32]
        for info in (b"COMMITKEY", suite + b"DERIVEKEY")
    )


def test_41_known_answers_open_and_5_are_refused() -> None:
    assert [answer["status"] for answer in KNOWN_ANSWERS].count(True) == 41
    assert len(KNOWN_ANSWERS) == 46


def test_there_are_132_messages_of_which_99_have_keys_that_are_at_hand() -> None:
    assert (len(messages()), len(RAW)) == (132, 99)
    assert sum(message.has_commitment for message in messages()) == 24


@pytest.mark.parametrize("message", messages(), ids=lambda message: message.name)
def test_our_parser_agrees_with_the_sdk_on_the_header(message: Message) -> None:
    theirs, raw = deserialize_header(BytesIO(message.ciphertext), max_encrypted_data_keys=3)
    if not message.has_commitment:
        assert not theirs.algorithm.is_committing()
        with pytest.raises(DecryptionFailed):
            read_header(message.ciphertext)
        return
    ours = read_header(message.ciphertext)
    assert ours.context == encode_pairs(theirs.encryption_context)
    assert {(key.provider.decode(), key.key_arn, key.ciphertext) for key in ours.data_keys} == {
        (key.key_provider.provider_id, key.key_provider.key_info, key.encrypted_data_key)
        for key in theirs.encrypted_data_keys
    }
    assert ours.signed == (theirs.algorithm.signing_algorithm_info is not None)
    assert (ours.message_id, ours.commitment) == (theirs.message_id, theirs.commitment_key)
    assert (ours.frame_length, ours.length) == (theirs.frame_length, len(raw))


@pytest.mark.parametrize("message", RAW, ids=lambda message: message.name)
def test_a_message_with_a_raw_key(message: Message) -> None:
    """The SDK opens all 99, which shows that they are sound; ours opens those that the commitment policy allows."""
    theirs, _ = deserialize_header(BytesIO(message.ciphertext))
    pairs = theirs.encryption_context | message.pairs
    left_out = set(pairs) - set(theirs.encryption_context)
    assert bool(left_out) == (message.leaves_pairs_out and bool(message.pairs))
    data_key = unwrap(message, theirs.encrypted_data_keys, pairs)
    assert opened_by_the_sdk(message.ciphertext, data_key, pairs, left_out) == message.plaintext
    if message.has_commitment and not left_out:
        assert unseal(message.ciphertext, data_key, pairs) == message.plaintext
    else:
        with pytest.raises(DecryptionFailed):
            unseal(message.ciphertext, data_key, pairs)


@pytest.mark.parametrize("message", SHAPES["committed"], ids=lambda message: message.name)
def test_none_of_them_is_taken_for_a_tenants_own(message: Message) -> None:
    with pytest.raises(DecryptionFailed):
        pairs_of(read_header(message.ciphertext), EncryptionContext("a", "pii", Purpose.RECORD))


def unwrap(message: Message, encrypted: Any, pairs: dict[str, str]) -> bytes:
    """The data key, from the first raw key that opens it (specification, "raw-aes-keyring" and "raw-rsa-keyring")."""
    for key, wrapped in product(message.keys, encrypted):
        info, blob = wrapped.key_provider.key_info, wrapped.encrypted_data_key
        if key["key"] == "aes-256" and info.startswith(b"aes-256"):
            nonce = info[len(b"aes-256") + 8 :]
            return AESGCM(key_material("aes-256")).decrypt(nonce, blob, encode_pairs(pairs))
        if key["encryption-algorithm"] == "rsa" and info.startswith(b"rsa"):
            digest = getattr(hashes, key["padding-hash"].upper())()
            with suppress(ValueError):  # wrapped by the other of two keys
                oaep = padding.OAEP(padding.MGF1(digest), digest, label=None)
                return private_key().decrypt(blob, oaep)
    raise AssertionError(message.name)


@cache
def private_key() -> rsa.RSAPrivateKey:
    key = load_pem_private_key(key_material("rsa-4096-private"), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


class WithPairsLeftOut(GivenDataKeys):
    """Materials that also say which pairs are not in the header, yet authenticated with it."""

    def __init__(self, data_key: bytes, pairs: dict[str, str], left_out: set[str]) -> None:
        super().__init__(lambda _: (data_key, [Wrapped(b"")]))
        self._pairs, self._left_out = pairs, left_out

    def decrypt_materials(self, request: Any) -> Any:
        """The same materials with two more attributes."""
        materials = super().decrypt_materials(request)
        materials.encryption_context = self._pairs
        materials.required_encryption_context_keys = self._left_out
        return materials


def opened_by_the_sdk(
    message: bytes, data_key: bytes, pairs: dict[str, str], left_out: set[str]
) -> bytes:
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT)
    plaintext, _ = client.decrypt(
        source=message, materials_manager=WithPairsLeftOut(data_key, pairs, left_out)
    )
    return bytes(plaintext)
