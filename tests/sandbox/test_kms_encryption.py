"""Encrypt, Decrypt, GenerateDataKey and ReEncrypt through unmodified boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.kms_cast import EUROPE, HOME, WEST, Cast, refused, statement

CONTEXT = {"tenant": "acme", "class": "pii", "purpose": "record"}


def test_a_data_key_made_in_one_region_opens_in_every_region_with_a_replica(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    arns = {HOME: arn, WEST: kms_cast.replica(arn, WEST), EUROPE: kms_cast.replica(arn, EUROPE)}
    made = kms_cast.kms("operator").generate_data_key(
        KeyId=arn, KeySpec="AES_256", EncryptionContext=CONTEXT
    )
    assert len(made["Plaintext"]) == 32
    assert made["KeyId"] == arn
    for region, regional in arns.items():
        for named in ({}, {"KeyId": regional}, {"KeyId": regional.rpartition("/")[2]}):
            opened = kms_cast.kms("operator", region).decrypt(
                CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT, **named
            )
            assert opened["Plaintext"] == made["Plaintext"]
            assert opened["KeyId"] == regional
            assert opened["KeyMaterialId"] == made["KeyMaterialId"]


def test_what_a_replica_encrypts_the_primary_decrypts(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    sealed = kms_cast.kms("operator", WEST).encrypt(KeyId=replica, Plaintext=b"hello")
    assert sealed["KeyId"] == replica
    opened = kms_cast.kms("operator").decrypt(CiphertextBlob=sealed["CiphertextBlob"], KeyId=arn)
    assert opened["Plaintext"] == b"hello"


def test_a_region_without_a_replica_does_not_open_it(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    blob = kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    with refused("AccessDeniedException", "does not exist in this region"):
        kms_cast.kms("operator", WEST).decrypt(CiphertextBlob=blob)
    with refused("NotFoundException", f"Invalid arn {HOME}"):
        kms_cast.kms("operator", WEST).decrypt(CiphertextBlob=blob, KeyId=arn)
    absent = arn.replace(HOME, WEST)
    with refused("NotFoundException", f"Key '{absent}' does not exist"):
        kms_cast.kms("operator", WEST).decrypt(CiphertextBlob=blob, KeyId=absent)


def test_a_single_region_key_stays_in_its_region(kms_cast: Cast) -> None:
    arn = kms_cast.key(MultiRegion=False)
    blob = kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    assert kms_cast.kms("operator").decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"
    with refused("AccessDeniedException"):
        kms_cast.kms("operator", WEST).decrypt(CiphertextBlob=blob)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"tenant": "acme"},
        {**CONTEXT, "tenant": "globex"},
        {**CONTEXT, "more": ""},
        {"TENANT": "acme"},
    ],
)
def test_another_encryption_context_opens_nothing(kms_cast: Cast, context: dict[str, str]) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello", EncryptionContext=CONTEXT)[
        "CiphertextBlob"
    ]
    with refused("InvalidCiphertextException"):
        client.decrypt(CiphertextBlob=blob, EncryptionContext=context)


def test_the_order_of_the_encryption_context_does_not_matter(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello", EncryptionContext=CONTEXT)[
        "CiphertextBlob"
    ]
    turned = dict(reversed(CONTEXT.items()))
    opened = client.decrypt(CiphertextBlob=blob, EncryptionContext=turned)
    assert opened["Plaintext"] == b"hello"


def test_no_changed_byte_and_no_cut_is_ever_accepted(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello", EncryptionContext=CONTEXT)[
        "CiphertextBlob"
    ]
    assert b"hello" not in blob
    assert arn.rpartition("/")[2].encode() not in blob
    flipped = [bytes([*blob[:i], blob[i] ^ 1, *blob[i + 1 :]]) for i in range(len(blob))]
    for forged in (*flipped, blob[:-1], blob[:20], blob + b"\0", b"x", b"\0" * 200):
        with refused("InvalidCiphertextException"):
            client.decrypt(CiphertextBlob=forged, EncryptionContext=CONTEXT)


def test_another_key_is_an_incorrect_key(kms_cast: Cast) -> None:
    mine, other = kms_cast.key(), kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=mine, Plaintext=b"hello")["CiphertextBlob"]
    with refused("IncorrectKeyException"):
        client.decrypt(CiphertextBlob=blob, KeyId=other)


def test_an_alias_or_its_arn_names_a_key_in_cryptography(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    name = f"alias/tenants/{arn[-8:]}"
    client.create_alias(AliasName=name, TargetKeyId=arn)
    by_arn = arn.rpartition(":")[0] + f":{name}"
    for named in (name, by_arn):
        blob = client.encrypt(KeyId=named, Plaintext=b"hello")["CiphertextBlob"]
        assert client.decrypt(CiphertextBlob=blob, KeyId=named)["KeyId"] == arn
    with refused("NotFoundException", "is not found"):
        client.encrypt(KeyId="alias/absent", Plaintext=b"hello")
    with refused("NotFoundException", "Invalid keyId"):
        client.encrypt(KeyId="no-key-id", Plaintext=b"hello")


def test_two_ciphertexts_of_one_plaintext_differ(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    blobs = {client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"] for _ in range(20)}
    assert len(blobs) == 20


def test_a_data_key_has_the_size_that_was_asked_for(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    assert len(client.generate_data_key(KeyId=arn, KeySpec="AES_128")["Plaintext"]) == 16
    assert len(client.generate_data_key(KeyId=arn, NumberOfBytes=1024)["Plaintext"]) == 1024
    with refused("ValidationException", "number of bytes or key spec"):
        client.generate_data_key(KeyId=arn)
    with refused("ValidationException", "number of bytes or key spec"):
        client.generate_data_key(KeyId=arn, KeySpec="AES_128", NumberOfBytes=16)
    assert len(client.generate_random(NumberOfBytes=24)["Plaintext"]) == 24


def test_a_data_key_without_plaintext_comes_without_it(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    made = client.generate_data_key_without_plaintext(KeyId=arn, KeySpec="AES_256")
    assert "Plaintext" not in made
    assert len(client.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"]) == 32


def test_re_encrypt_moves_to_another_key_and_context(kms_cast: Cast) -> None:
    source, destination = kms_cast.key(), kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=source, Plaintext=b"hello", EncryptionContext=CONTEXT)[
        "CiphertextBlob"
    ]
    moved = client.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=destination,
        DestinationEncryptionContext={"tenant": "globex"},
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (source, destination)
    opened = client.decrypt(
        CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"tenant": "globex"}
    )
    assert opened["Plaintext"] == b"hello"
    assert opened["KeyId"] == destination


def test_limits_are_those_of_kms(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"x" * 4096)["CiphertextBlob"]
    assert len(blob) <= 6144
    with refused("ValidationException", "less than or equal to 4096"):
        client.encrypt(KeyId=arn, Plaintext=b"x" * 4097)
    with refused("ValidationException", "encryption context"):
        client.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"k": "v" * 8192})
    with refused("ValidationException", "less than or equal to 6144"):
        client.decrypt(CiphertextBlob=b"x" * 6145)
    with refused("ValidationException", "keySpec"):
        client.generate_data_key(KeyId=arn, KeySpec="AES_512")


def test_a_dry_run_says_that_it_would_have_succeeded(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    with refused("DryRunOperationException"):
        kms_cast.kms("operator").generate_data_key(KeyId=arn, KeySpec="AES_256", DryRun=True)
    with refused("AccessDeniedException"):
        kms_cast.kms("nobody").generate_data_key(KeyId=arn, KeySpec="AES_256", DryRun=True)


def test_an_enclave_is_never_answered_in_the_clear(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"}
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    with refused("UnsupportedOperationException"):
        client.generate_data_key(KeyId=arn, KeySpec="AES_256", Recipient=recipient)
    with refused("UnsupportedOperationException"):
        client.decrypt(CiphertextBlob=blob, Recipient=recipient)


@pytest.mark.parametrize(
    "use",
    [
        lambda client, arn, _blob: client.encrypt(KeyId=arn, Plaintext=b"x", DryRun=True),
        lambda client, _arn, blob: client.decrypt(CiphertextBlob=blob, DryRun=True),
        lambda client, arn, _blob: client.generate_data_key(
            KeyId=arn, KeySpec="AES_256", DryRun=True
        ),
        lambda client, arn, _blob: client.generate_data_key_without_plaintext(
            KeyId=arn, KeySpec="AES_256", DryRun=True
        ),
        lambda client, arn, blob: client.re_encrypt(
            CiphertextBlob=blob, DestinationKeyId=arn, DryRun=True
        ),
    ],
)
def test_every_dry_run_ends_as_one_and_respects_policy_and_state(
    kms_cast: Cast, use: Callable[[Any, str, bytes], Any]
) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    with refused("DryRunOperationException"):
        use(client, arn, blob)
    with refused("AccessDeniedException"):
        use(kms_cast.kms("nobody"), arn, blob)
    client.disable_key(KeyId=arn)
    with refused("DisabledException"):
        use(client, arn, blob)


def test_a_dry_run_can_ignore_the_ciphertext_and_ask_for_permission_alone(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    ignoring: dict[str, Any] = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    with refused("DryRunOperationException"):
        client.decrypt(KeyId=arn, **ignoring)
    with refused("AccessDeniedException"):
        kms_cast.kms("nobody").decrypt(KeyId=arn, **ignoring)
    with refused("DryRunOperationException"):
        client.re_encrypt(SourceKeyId=arn, DestinationKeyId=arn, **ignoring)
    for incomplete in ({}, {"KeyId": arn}, {"KeyId": arn, "DryRun": True}):
        with refused("ValidationException"):
            client.decrypt(**incomplete)
    with refused("ValidationException"):
        client.decrypt(**ignoring)
    with refused("InvalidCiphertextException"):
        client.decrypt(KeyId=arn, CiphertextBlob=b"no ciphertext", DryRun=True)


def test_a_policy_can_demand_that_data_stays_under_the_same_key(kms_cast: Cast) -> None:
    arn, other = kms_cast.key(), kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    kms_cast.put_policy(
        arn, statement("*", "kms:ReEncrypt*", Bool={"kms:ReEncryptOnSameKey": "true"})
    )
    client.re_encrypt(CiphertextBlob=blob, DestinationKeyId=arn)
    with refused("AccessDeniedException", "kms:ReEncryptFrom"):
        client.re_encrypt(CiphertextBlob=blob, DestinationKeyId=other)
