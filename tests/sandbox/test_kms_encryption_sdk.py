"""The AWS Encryption SDK's multi-Region key providers and keyrings against the stand-in, across Regions."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import CreateAwsKmsMrkKeyringInput
from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.key_providers.kms import MRKAwareKMSMasterKey

from tests.sandbox.kms_cast import EUROPE, WEST, Cast, statement

CONTEXT = {"tenant": "acme", "class": "pii", "purpose": "record"}
SDK = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)


def provider(cast: Cast, arn: str) -> Any:
    """A strict MRK-aware master key provider of one Region."""
    return MRKAwareKMSMasterKey(key_id=arn, client=cast.kms("operator", arn.split(":")[3]))


def keyring(cast: Cast, arn: str) -> Any:
    library = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
    return library.create_aws_kms_mrk_keyring(
        input=CreateAwsKmsMrkKeyringInput(
            kms_key_id=arn, kms_client=cast.kms("operator", arn.split(":")[3])
        )
    )


@pytest.mark.parametrize(("argument", "wraps"), [("key_provider", provider), ("keyring", keyring)])
def test_a_message_of_one_region_opens_in_another(
    kms_cast: Cast, argument: str, wraps: Any
) -> None:
    arn = kms_cast.key()
    west, europe = kms_cast.replica(arn, WEST), kms_cast.replica(arn, EUROPE)
    message, _ = SDK.encrypt(
        source=b"hello", encryption_context=CONTEXT, **{argument: wraps(kms_cast, arn)}
    )
    for replica in (west, europe):
        plaintext, header = SDK.decrypt(source=message, **{argument: wraps(kms_cast, replica)})
        assert plaintext == b"hello"
        assert header.encryption_context.items() >= CONTEXT.items()
        used = kms_cast.stand_in.events(replica.split(":")[3])[-1]
        assert used["eventName"] == "Decrypt"
        assert [item["ARN"] for item in used["resources"]] == [replica]


def test_a_region_that_the_key_policy_forbids_opens_nothing(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    west = kms_cast.replica(arn, WEST)
    message, _ = SDK.encrypt(
        source=b"hello", encryption_context=CONTEXT, key_provider=provider(kms_cast, arn)
    )
    kms_cast.put_policy(west, statement("*", "kms:Decrypt", "Deny"), statement("*", "kms:*"))
    with pytest.raises(AWSEncryptionSDKClientError):
        SDK.decrypt(source=message, key_provider=provider(kms_cast, west))
    plaintext, _ = SDK.decrypt(source=message, key_provider=provider(kms_cast, arn))
    assert plaintext == b"hello"
