"""GenerateDataKeyPair: a key pair for use outside KMS, whose private key the tenant's key seals."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
)

from tests.sandbox.kms_cast import ROOT, WEST, Cast, refused, statement

CONTEXT = {"tenant": "acme"}
KINDS = {
    "RSA_2048": rsa.RSAPrivateKey,
    "ECC_NIST_P256": ec.EllipticCurvePrivateKey,
    "ECC_NIST_P384": ec.EllipticCurvePrivateKey,
    "ECC_NIST_P521": ec.EllipticCurvePrivateKey,
    "ECC_SECG_P256K1": ec.EllipticCurvePrivateKey,
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey,
}


@pytest.mark.parametrize("spec", KINDS)
def test_the_sealed_private_key_opens_in_another_region(kms_cast: Cast, spec: str) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    made = kms_cast.kms("operator").generate_data_key_pair(
        KeyId=arn, KeyPairSpec=spec, EncryptionContext=CONTEXT
    )
    private = load_der_private_key(made["PrivateKeyPlaintext"], None)
    assert isinstance(private, KINDS[spec])
    assert private.public_key() == load_der_public_key(made["PublicKey"])
    assert (made["KeyId"], made["KeyPairSpec"]) == (arn, spec)
    west = kms_cast.kms("operator", WEST)
    opened = west.decrypt(
        KeyId=replica, CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext=CONTEXT
    )
    assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
    with refused("InvalidCiphertextException"):
        west.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"])


def test_without_plaintext_the_private_key_comes_sealed_only(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    made = client.generate_data_key_pair_without_plaintext(KeyId=arn, KeyPairSpec="ECC_NIST_P256")
    assert "PrivateKeyPlaintext" not in made
    opened = client.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"])["Plaintext"]
    private = load_der_private_key(opened, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.public_key() == load_der_public_key(made["PublicKey"])


def test_a_policy_limits_the_kinds_of_key_pairs(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:PutKeyPolicy"),
        statement("*", "kms:GenerateDataKeyPair", StringLike={"kms:DataKeyPairSpec": "ECC_*"}),
    )
    client = kms_cast.kms("operator")
    client.generate_data_key_pair(KeyId=arn, KeyPairSpec="ECC_NIST_P256")
    with refused("AccessDeniedException", "kms:GenerateDataKeyPair"):
        client.generate_data_key_pair(KeyId=arn, KeyPairSpec="RSA_2048")
    with refused("AccessDeniedException", "kms:GenerateDataKeyPairWithoutPlaintext"):
        client.generate_data_key_pair_without_plaintext(KeyId=arn, KeyPairSpec="ECC_NIST_P256")


def test_a_key_pair_needs_a_usable_symmetric_key(kms_cast: Cast) -> None:
    mac = kms_cast.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    disabled = kms_cast.key()
    client = kms_cast.kms("operator")
    client.disable_key(KeyId=disabled)
    with refused("InvalidKeyUsageException"):
        client.generate_data_key_pair(KeyId=mac, KeyPairSpec="ECC_NIST_P256")
    with refused("DisabledException"):
        client.generate_data_key_pair(KeyId=disabled, KeyPairSpec="ECC_NIST_P256")
    with refused("DryRunOperationException"):
        client.generate_data_key_pair(
            KeyId=kms_cast.key(), KeyPairSpec="ECC_NIST_P256", DryRun=True
        )
    with refused("ValidationException"):
        client.generate_data_key_pair(KeyId=kms_cast.key(), KeyPairSpec="RSA_1024")
