"""The two KMS calls: whose key is named, and which answers are believed."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from crypto.errors import DecryptionFailed, InvalidKeyArn, KeyUnavailable, KmsRequestInvalid
from crypto.keyring import Keyring, PlaintextDataKey, may_unwrap
from crypto.message import EncryptedDataKey
from tests.crypto.kms import ACME, ARN, EUROPE, HOME, MRK, MemoryKms, refusal

PAIRS = {"tenant": "acme", "class": "pii", "purpose": "record"}
EUROPES = f"arn:aws:kms:{EUROPE}:111122223333:key/{MRK}"


class Answering:
    """KMS that gives one answer to everything, and notes what it was asked."""

    def __init__(self, **answer: Any) -> None:
        self.answer = answer
        self.asked: dict[str, Any] = {}

    def kms(self, region: str, plane: object) -> Any:
        self.asked |= {"region": region, "plane": str(plane)}
        return self

    def generate_data_key(self, **request: Any) -> dict[str, Any]:
        self.asked |= request
        return self.answer

    decrypt = generate_data_key


def answering(**changes: Any) -> Answering:
    answer = {"KeyId": ARN, "Plaintext": b"k" * 32, "CiphertextBlob": b"wrapped"} | changes
    return Answering(**{name: value for name, value in answer.items() if value is not None})


def keyring(kms: Any, region: str = HOME) -> Keyring:
    return Keyring(kms, region)


def test_a_data_key_is_made_under_the_related_key_of_the_region() -> None:
    kms = answering(KeyId=EUROPES, KeyMaterialId="m-1")
    made = keyring(kms, EUROPE).generate(ACME.key, PAIRS)
    assert kms.asked == {
        "region": EUROPE,
        "plane": "use",
        "KeyId": EUROPES,
        "EncryptionContext": PAIRS,
        "NumberOfBytes": 32,
    }
    assert (made.plaintext.secret, made.encrypted_data_key) == (b"k" * 32, b"wrapped")
    assert (str(made.key_arn), made.key_material_id) == (EUROPES, "m-1")


def test_an_answer_without_a_key_material_id_is_taken() -> None:
    assert keyring(answering()).generate(ACME.key, PAIRS).key_material_id == ""


def test_a_data_key_is_opened_with_the_related_key_of_the_region() -> None:
    kms = answering(KeyId=EUROPES)
    assert keyring(kms, EUROPE).unwrap(ACME.key, PAIRS, b"wrapped").secret == b"k" * 32
    assert kms.asked == {
        "region": EUROPE,
        "plane": "use",
        "KeyId": EUROPES,
        "EncryptionContext": PAIRS,
        "CiphertextBlob": b"wrapped",
    }


WRONG = [
    {"KeyId": EUROPES},
    {"KeyId": ARN.replace("0123", "ffff")},
    {"KeyId": MRK},
    {"KeyId": None},
    {"Plaintext": b"k" * 31},
    {"Plaintext": b"k" * 33},
    {"Plaintext": b""},
    {"Plaintext": None},
]


@pytest.mark.parametrize("changes", WRONG)
def test_an_answer_for_another_key_or_length_is_not_believed(changes: dict[str, Any]) -> None:
    with pytest.raises(DecryptionFailed):
        keyring(answering(**changes)).unwrap(ACME.key, PAIRS, b"wrapped")
    with pytest.raises(KmsRequestInvalid, match=f"^kms:GenerateDataKey in {HOME}: an unusable"):
        keyring(answering(**changes)).generate(ACME.key, PAIRS)


@pytest.mark.parametrize("blob", [b"", None])
def test_a_data_key_that_could_never_be_opened_again_is_refused(blob: bytes | None) -> None:
    with pytest.raises(KmsRequestInvalid):
        keyring(answering(CiphertextBlob=blob)).generate(ACME.key, PAIRS)


def test_context_and_key_are_bound_to_what_kms_wrapped() -> None:
    kms = MemoryKms()
    made = keyring(kms).generate(ACME.key, PAIRS)
    assert keyring(kms).unwrap(ACME.key, PAIRS, made.encrypted_data_key).secret == (
        made.plaintext.secret
    )
    other = replace(ACME.key, key_id="mrk-" + "f" * 32)
    for key, pairs in ((ACME.key, PAIRS | {"class": "pci"}), (other, PAIRS)):
        with pytest.raises(DecryptionFailed):
            keyring(kms).unwrap(key, pairs, made.encrypted_data_key)


def test_errors_say_which_call_failed_where() -> None:
    kms = MemoryKms()
    kms.fail[HOME] = refusal("ThrottlingException")
    with pytest.raises(KeyUnavailable, match=f"^kms:GenerateDataKey in {HOME} "):
        keyring(kms).generate(ACME.key, PAIRS)
    with pytest.raises(KeyUnavailable, match=f"^kms:Decrypt in {HOME} "):
        keyring(kms).unwrap(ACME.key, PAIRS, b"wrapped")


def test_a_single_region_key_is_used_where_it_is_and_nowhere_else() -> None:
    single = replace(ACME.key, key_id="01234567-89ab-cdef-0123-456789abcdef")
    kms = MemoryKms()
    keyring(kms).generate(single, PAIRS)
    with pytest.raises(InvalidKeyArn):
        keyring(kms, EUROPE).generate(single, PAIRS)


@pytest.mark.parametrize(
    ("encrypted", "may"),
    [
        (EncryptedDataKey(ARN.encode(), b"x"), True),
        (EncryptedDataKey(EUROPES.encode(), b"x" * 6_144), True),
        (EncryptedDataKey(ARN.encode(), b"x" * 6_145), False),
        (EncryptedDataKey(ARN.encode(), b""), False),
        (EncryptedDataKey(ARN.encode(), b"x", b"aws-kms-hierarchy"), False),
        (EncryptedDataKey(ARN.replace("0123", "ffff").encode(), b"x"), False),
        (EncryptedDataKey(ARN.replace("111122223333", "444455556666").encode(), b"x"), False),
        (EncryptedDataKey(MRK.encode(), b"x"), False),
        (EncryptedDataKey(b"", b"x"), False),
        (EncryptedDataKey(ARN.encode() + b"\xff", b"x"), False),
    ],
)
def test_only_what_a_related_key_may_have_wrapped_is_sent_to_kms(
    encrypted: EncryptedDataKey, may: bool
) -> None:
    assert may_unwrap(ACME.key, encrypted) is may


def test_a_plaintext_data_key_shows_in_no_repr_and_no_pickle() -> None:
    key = PlaintextDataKey(b"secret")
    assert repr(key) == "<PlaintextDataKey>"
    with pytest.raises(TypeError, match=r"^A plaintext data key cannot be pickled\.$"):
        pickle.dumps(key)
