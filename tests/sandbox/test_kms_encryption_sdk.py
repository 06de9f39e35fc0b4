"""The AWS Encryption SDK against KMS, across Regions: master key providers, keyrings, and the SDK for JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsMrkDiscoveryKeyringInput,
    CreateAwsKmsMrkKeyringInput,
    CreateMultiKeyringInput,
)
from aws_cryptographic_material_providers.mpl.models import (
    DiscoveryFilter as MplDiscoveryFilter,
)
from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.key_providers.kms import (
    DiscoveryFilter,
    MRKAwareDiscoveryAwsKmsMasterKeyProvider,
    MRKAwareKMSMasterKey,
)

from tests.judges.clients import Place, javascript
from tests.sandbox.kms_cast import (
    ACCOUNT,
    EUROPE,
    HOME,
    IDENTITIES,
    OTHER_ACCOUNT,
    WEST,
    Cast,
    statement,
)

CONTEXT = {"tenant": "acme", "class": "pii", "purpose": "record"}
SDK = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
MPL = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())

Wrap = Callable[[Cast, str], dict[str, Any]]  # what reaches one key in its Region


def client(cast: Cast, arn: str) -> Any:
    return cast.kms("operator", arn.split(":")[3])


def strict_provider(cast: Cast, arn: str) -> dict[str, Any]:
    return {"key_provider": MRKAwareKMSMasterKey(key_id=arn, client=client(cast, arn))}


def strict_keyring(cast: Cast, arn: str) -> dict[str, Any]:
    given = CreateAwsKmsMrkKeyringInput(kms_key_id=arn, kms_client=client(cast, arn))
    return {"keyring": MPL.create_aws_kms_mrk_keyring(input=given)}


def discovery_provider(cast: Cast, arn: str, account: str = ACCOUNT) -> dict[str, Any]:
    region = arn.split(":")[3]
    provider = MRKAwareDiscoveryAwsKmsMasterKeyProvider(
        discovery_region=region,
        discovery_filter=DiscoveryFilter(account_ids=[account], partition="aws"),
    )
    provider._regional_clients = {region: client(cast, arn)}  # the provider would ask AWS
    return {"key_provider": provider}


def discovery_keyring(cast: Cast, arn: str, account: str = ACCOUNT) -> dict[str, Any]:
    given = CreateAwsKmsMrkDiscoveryKeyringInput(
        kms_client=client(cast, arn),
        region=arn.split(":")[3],
        discovery_filter=MplDiscoveryFilter(account_ids=[account], partition="aws"),
    )
    return {"keyring": MPL.create_aws_kms_mrk_discovery_keyring(input=given)}


def related(cast: Cast) -> tuple[str, str, str]:
    """The ARNs of a fresh key and its replicas."""
    arn = cast.key()
    return arn, cast.replica(arn, WEST), cast.replica(arn, EUROPE)


@pytest.mark.parametrize(
    "decrypting", [strict_provider, strict_keyring, discovery_provider, discovery_keyring]
)
@pytest.mark.parametrize("encrypting", [strict_provider, strict_keyring])
def test_a_message_of_one_region_opens_in_another(
    kms_cast: Cast, encrypting: Wrap, decrypting: Wrap
) -> None:
    arn, *replicas = related(kms_cast)
    message, _ = SDK.encrypt(
        source=b"hello", encryption_context=CONTEXT, **encrypting(kms_cast, arn)
    )
    for replica in replicas:
        plaintext, header = SDK.decrypt(source=message, **decrypting(kms_cast, replica))
        assert plaintext == b"hello"
        assert header.encryption_context.items() >= CONTEXT.items()


def test_the_replica_of_the_region_is_used_and_no_other(kms_cast: Cast) -> None:
    arn, west, _ = related(kms_cast)
    message, _ = SDK.encrypt(source=b"hello", **strict_keyring(kms_cast, arn))
    SDK.decrypt(source=message, **strict_keyring(kms_cast, west))
    used = kms_cast.stand_in.events(WEST)[-1]
    assert used["eventName"] == "Decrypt"
    assert [item["ARN"] for item in used["resources"]] == [west]


@pytest.mark.parametrize("decrypting", [discovery_provider, discovery_keyring])
def test_discovery_finds_nothing_without_a_replica_or_of_another_account(
    kms_cast: Cast, decrypting: Callable[..., dict[str, Any]]
) -> None:
    arn = kms_cast.key()
    message, _ = SDK.encrypt(source=b"hello", **strict_keyring(kms_cast, arn))
    with pytest.raises(AWSEncryptionSDKClientError):
        SDK.decrypt(source=message, **decrypting(kms_cast, arn.replace(HOME, WEST)))
    with pytest.raises(AWSEncryptionSDKClientError):
        SDK.decrypt(source=message, **decrypting(kms_cast, arn, account=OTHER_ACCOUNT))
    assert SDK.decrypt(source=message, **decrypting(kms_cast, arn))[0] == b"hello"


def test_a_message_for_two_keys_opens_with_either_in_any_region(kms_cast: Cast) -> None:
    first, second = related(kms_cast), related(kms_cast)
    keyrings = [strict_keyring(kms_cast, arns[0])["keyring"] for arns in (first, second)]
    given = CreateMultiKeyringInput(generator=keyrings[0], child_keyrings=keyrings[1:])
    message, _ = SDK.encrypt(
        source=b"hello", keyring=MPL.create_multi_keyring(input=given), encryption_context=CONTEXT
    )
    for arn in (*first, *second):
        assert SDK.decrypt(source=message, **strict_provider(kms_cast, arn))[0] == b"hello"


@pytest.mark.parametrize("decrypting", [strict_provider, strict_keyring])
def test_a_region_that_the_key_policy_forbids_opens_nothing(
    kms_cast: Cast, decrypting: Wrap
) -> None:
    arn, west, _ = related(kms_cast)
    message, _ = SDK.encrypt(
        source=b"hello", encryption_context=CONTEXT, **strict_provider(kms_cast, arn)
    )
    kms_cast.put_policy(west, statement("*", "kms:Decrypt", "Deny"), statement("*", "kms:*"))
    with pytest.raises(AWSEncryptionSDKClientError):
        SDK.decrypt(source=message, **decrypting(kms_cast, west))
    plaintext, _ = SDK.decrypt(source=message, **decrypting(kms_cast, arn))
    assert plaintext == b"hello"


@pytest.mark.parametrize("decrypting", [strict_provider, strict_keyring])
def test_a_disabled_replica_opens_nothing(kms_cast: Cast, decrypting: Wrap) -> None:
    arn, west, europe = related(kms_cast)
    message, _ = SDK.encrypt(source=b"hello", **strict_provider(kms_cast, arn))
    kms_cast.kms("operator", WEST).disable_key(KeyId=west)
    with pytest.raises(AWSEncryptionSDKClientError):
        SDK.decrypt(source=message, **decrypting(kms_cast, west))
    assert SDK.decrypt(source=message, **decrypting(kms_cast, europe))[0] == b"hello"


def test_messages_open_after_a_rotation_and_a_change_of_the_primary(kms_cast: Cast) -> None:
    arn, west, _ = related(kms_cast)
    old, _ = SDK.encrypt(source=b"old", **strict_keyring(kms_cast, arn))
    kms_cast.kms("operator").rotate_key_on_demand(KeyId=arn)
    kms_cast.kms("operator").update_primary_region(KeyId=arn, PrimaryRegion=WEST)
    new, _ = SDK.encrypt(source=b"new", **strict_keyring(kms_cast, west))
    for key in (arn, west):
        assert SDK.decrypt(source=old, **strict_keyring(kms_cast, key))[0] == b"old"
        assert SDK.decrypt(source=new, **strict_provider(kms_cast, key))[0] == b"new"


def place(cast: Cast, region: str, key_arn: str = "") -> Place:
    """Where the SDK for JavaScript finds a key, or by discovery any key of the account."""
    return Place(
        region=region,
        endpoint=cast.stand_in.endpoints[region],
        key_arn=key_arn,
        access_key="AKIAOPERATOR",
        secret=IDENTITIES["AKIAOPERATOR"]["secret"],
        account=ACCOUNT,
    )


def test_the_sdk_for_javascript_writes_in_one_region_and_reads_in_the_others(
    kms_cast: Cast,
) -> None:
    judge = javascript()
    arn, *replicas = related(kms_cast)
    written = judge.encrypt([b"", b"hello"], place(kms_cast, HOME, arn), CONTEXT)
    for replica in replicas:
        region = replica.split(":")[3]
        for there in (place(kms_cast, region, replica), place(kms_cast, region)):
            assert judge.decrypt(written, there, CONTEXT) == [b"", b"hello"]
        opened, _ = SDK.decrypt(source=written[1], **strict_keyring(kms_cast, replica))
        assert opened == b"hello"


def test_the_sdk_for_javascript_finds_no_key_where_there_is_none_for_it(kms_cast: Cast) -> None:
    judge = javascript()
    arn = kms_cast.key()
    message, _ = SDK.encrypt(
        source=b"hello", encryption_context=CONTEXT, **strict_keyring(kms_cast, arn)
    )
    nothing: list[bytes | None] = [None]
    absent = arn.replace(HOME, WEST)
    assert judge.decrypt([message], place(kms_cast, WEST), CONTEXT) == nothing
    assert judge.decrypt([message], place(kms_cast, WEST, absent), CONTEXT) == nothing
    foreign = replace(place(kms_cast, HOME), account=OTHER_ACCOUNT)
    assert judge.decrypt([message], foreign, CONTEXT) == nothing
    assert judge.decrypt([message], place(kms_cast, HOME), CONTEXT) == [b"hello"]
