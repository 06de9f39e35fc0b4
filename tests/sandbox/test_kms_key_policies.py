"""Key policies at work: who may do what with a key in which Region, through unmodified boto3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.kms_cast import (
    ADMINISTERS,
    EUROPE,
    HOME,
    OTHER_ACCOUNT,
    ROOT,
    WEST,
    Cast,
    document,
    refused,
    role,
    session,
    statement,
    uses,
)

TENANT = "kms:EncryptionContext:tenant"
PII = {"tenant": "acme", "class": "pii", "purpose": "record"}
PCI = PII | {"class": "pci"}


def test_each_regions_policy_decides_for_its_region_alone(kms_cast: Cast) -> None:
    acme = {"StringEquals": {TENANT: "acme"}}
    arn = kms_cast.key(
        Policy=document(ADMINISTERS, uses(HOME, **acme)), BypassPolicyLockoutSafetyCheck=True
    )
    for region, policy in ((WEST, [uses(WEST, **acme)]), (EUROPE, [])):
        kms_cast.replica(arn, region, who="admin", Policy=document(ADMINISTERS, *policy))
    home = kms_cast.kms(f"use{HOME}")
    made = home.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=PII)
    west = kms_cast.kms(f"use{WEST}", WEST)
    opened = west.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=PII)
    assert opened["Plaintext"] == made["Plaintext"]
    with refused("AccessDeniedException", "no resource-based policy allows the kms:Decrypt action"):
        kms_cast.kms(f"use{EUROPE}", EUROPE).decrypt(
            CiphertextBlob=made["CiphertextBlob"], EncryptionContext=PII
        )
    with refused("AccessDeniedException"):  # a role of another Region
        kms_cast.kms(f"use{WEST}", HOME).decrypt(
            CiphertextBlob=made["CiphertextBlob"], EncryptionContext=PII
        )


def test_a_region_may_open_some_classes_and_not_others(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement(
            {"AWS": role(f"mrk-gateway-use-{HOME}")},
            "kms:Decrypt",
            "Deny",
            StringNotEquals={"kms:EncryptionContext:class": ["pii"]},
        ),
    )
    client = kms_cast.kms(f"use{HOME}")
    for context, opens in ((PII, True), (PCI, False), ({}, False)):
        made = client.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=context)
        blob = made["CiphertextBlob"]
        if opens:
            client.decrypt(CiphertextBlob=blob, EncryptionContext=context)
        else:
            with refused("AccessDeniedException", "explicit deny in a resource-based policy"):
                client.decrypt(CiphertextBlob=blob, EncryptionContext=context)


def test_another_tenants_context_is_refused_before_the_ciphertext_is_looked_at(
    kms_cast: Cast,
) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(arn, ADMINISTERS, uses(HOME, StringEquals={TENANT: "acme"}))
    client = kms_cast.kms(f"use{HOME}")
    blob = client.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=PII)
    for context in ({}, PII | {"tenant": "globex"}):
        with refused("AccessDeniedException"):
            client.decrypt(CiphertextBlob=blob["CiphertextBlob"], EncryptionContext=context)


@pytest.mark.parametrize("context", [{}, {"tenant": "acme"}, PII | {"more": "x"}])
def test_a_policy_can_demand_exactly_these_context_keys(
    kms_cast: Cast, context: dict[str, str]
) -> None:
    arn = kms_cast.key()
    names = ["tenant", "class", "purpose"]
    kms_cast.put_policy(
        arn,
        uses(
            HOME,
            **{
                "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": names},
                "Null": {f"kms:EncryptionContext:{name}": "false" for name in names},
            },
        ),
    )
    client = kms_cast.kms(f"use{HOME}")
    client.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=PII)
    with refused("AccessDeniedException"):
        client.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=context)


def test_the_default_policy_lets_identity_policies_decide(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.kms(f"use{HOME}").generate_data_key(KeyId=arn, KeySpec="AES_256")
    with refused("AccessDeniedException", "no identity-based policy allows the kms:Encrypt action"):
        kms_cast.kms(f"use{HOME}").encrypt(KeyId=arn, Plaintext=b"hello")
    with refused("AccessDeniedException", session("nobody")):
        kms_cast.kms("nobody").generate_data_key(KeyId=arn, KeySpec="AES_256")


def test_a_key_policy_alone_is_enough_for_whom_it_names(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(arn, statement({"AWS": role("nobody")}, "kms:Encrypt"))
    kms_cast.kms("nobody").encrypt(KeyId=arn, Plaintext=b"hello")
    with refused("AccessDeniedException", "no resource-based policy"):
        kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"hello")  # its own * is not enough


def test_the_administrator_of_a_key_can_make_no_use_of_it(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(arn, ADMINISTERS, uses(HOME))
    admin = kms_cast.kms("admin")
    assert admin.describe_key(KeyId=arn)["KeyMetadata"]["Arn"] == arn
    with refused("AccessDeniedException"):
        admin.generate_data_key(KeyId=arn, KeySpec="AES_256")
    with refused("AccessDeniedException"):
        kms_cast.kms(f"use{HOME}").put_key_policy(KeyId=arn, Policy=document(ADMINISTERS))


def test_another_account_needs_both_sides(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    stranger = kms_cast.kms("stranger")
    with refused("AccessDeniedException"):
        stranger.encrypt(KeyId=arn, Plaintext=b"hello")
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement({"AWS": OTHER_ACCOUNT}, ["kms:Encrypt", "kms:DescribeKey", "kms:DisableKey"]),
    )
    assert stranger.encrypt(KeyId=arn, Plaintext=b"hello")["KeyId"] == arn
    with refused("AccessDeniedException", "another account"):
        stranger.disable_key(KeyId=arn)
    with refused("NotFoundException"):  # a bare key id means a key of the caller's own account
        stranger.encrypt(KeyId=arn.rpartition("/")[2], Plaintext=b"hello")
    assert arn not in str(stranger.list_keys()["Keys"])


def test_a_session_tag_can_stand_in_a_condition(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement(
            {"AWS": role("tagged")},
            "kms:Encrypt",
            StringEquals={TENANT: "${aws:PrincipalTag/tenant}"},
        ),
    )
    tagged = kms_cast.kms("tagged")
    tagged.encrypt(KeyId=arn, Plaintext=b"hello", EncryptionContext={"tenant": "acme"})
    with refused("AccessDeniedException"):
        tagged.encrypt(KeyId=arn, Plaintext=b"hello", EncryptionContext={"tenant": "globex"})


def test_nobody_is_locked_out_of_a_key_by_mistake(kms_cast: Cast) -> None:
    locking = document(statement({"AWS": role("nobody")}, "kms:*"))
    client = kms_cast.kms("operator")
    text = "will not allow you to update the key policy in the future"
    with refused("MalformedPolicyDocumentException", text):
        client.create_key(Policy=locking)
    arn = kms_cast.key()
    with refused("MalformedPolicyDocumentException", text):
        client.put_key_policy(KeyId=arn, Policy=locking)
    with refused("MalformedPolicyDocumentException", text):
        client.replicate_key(KeyId=arn, ReplicaRegion=WEST, Policy=locking)
    client.put_key_policy(KeyId=arn, Policy=locking, BypassPolicyLockoutSafetyCheck=True)
    with refused("AccessDeniedException"):
        client.get_key_policy(KeyId=arn)


def test_a_policy_has_one_name(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    assert client.list_key_policies(KeyId=arn)["PolicyNames"] == ["default"]
    with refused("NotFoundException"):
        client.get_key_policy(KeyId=arn, PolicyName="other")


@pytest.mark.parametrize(
    "call",
    [
        lambda client, _arn: client.create_key(),
        lambda client, _arn: client.list_keys(),
        lambda client, _arn: client.list_aliases(),
        lambda client, _arn: client.generate_random(NumberOfBytes=1),
        lambda client, arn: client.create_alias(AliasName="alias/nobodys", TargetKeyId=arn),
        lambda client, arn: client.describe_key(KeyId=arn),
        lambda client, arn: client.enable_key(KeyId=arn),
        lambda client, arn: client.disable_key(KeyId=arn),
        lambda client, arn: client.get_key_policy(KeyId=arn),
        lambda client, arn: client.list_key_policies(KeyId=arn),
        lambda client, arn: client.list_resource_tags(KeyId=arn),
        lambda client, arn: client.tag_resource(KeyId=arn, Tags=[{"TagKey": "a", "TagValue": ""}]),
        lambda client, arn: client.untag_resource(KeyId=arn, TagKeys=["a"]),
        lambda client, arn: client.update_key_description(KeyId=arn, Description=""),
        lambda client, arn: client.schedule_key_deletion(KeyId=arn),
        lambda client, arn: client.cancel_key_deletion(KeyId=arn),
        lambda client, arn: client.replicate_key(KeyId=arn, ReplicaRegion=WEST),
        lambda client, arn: client.update_primary_region(KeyId=arn, PrimaryRegion=WEST),
        lambda client, arn: client.enable_key_rotation(KeyId=arn),
        lambda client, arn: client.disable_key_rotation(KeyId=arn),
        lambda client, arn: client.get_key_rotation_status(KeyId=arn),
        lambda client, arn: client.rotate_key_on_demand(KeyId=arn),
        lambda client, arn: client.list_key_rotations(KeyId=arn),
        lambda client, arn: client.encrypt(KeyId=arn, Plaintext=b"x"),
        lambda client, arn: client.generate_data_key_without_plaintext(
            KeyId=arn, KeySpec="AES_256"
        ),
    ],
)
def test_who_is_allowed_nothing_can_do_nothing(
    kms_cast: Cast, call: Callable[[Any, str], Any]
) -> None:
    arn = kms_cast.key()
    with refused("AccessDeniedException", session("nobody")):
        call(kms_cast.kms("nobody"), arn)


def test_re_encrypt_needs_both_permissions(kms_cast: Cast) -> None:
    source, destination = kms_cast.key(), kms_cast.key()
    blob = kms_cast.kms("operator").encrypt(KeyId=source, Plaintext=b"x")["CiphertextBlob"]
    nobody = kms_cast.kms("nobody")
    with refused("AccessDeniedException", "kms:ReEncryptFrom"):
        nobody.re_encrypt(CiphertextBlob=blob, DestinationKeyId=destination)
    kms_cast.put_policy(source, statement({"AWS": role("nobody")}, "kms:ReEncryptFrom"))
    with refused("AccessDeniedException", "kms:ReEncryptTo"):
        nobody.re_encrypt(CiphertextBlob=blob, DestinationKeyId=destination)
    kms_cast.put_policy(destination, statement({"AWS": role("nobody")}, "kms:ReEncryptTo"))
    nobody.re_encrypt(CiphertextBlob=blob, DestinationKeyId=destination)
