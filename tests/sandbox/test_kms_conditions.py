"""Condition keys, as key policies and identity policies meet them in requests of unmodified boto3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.kms_cast import (
    ACCOUNT,
    ADMINISTERS,
    EUROPE,
    HOME,
    ROOT,
    WEST,
    Cast,
    document,
    refused,
    role,
    statement,
)
from tests.sandbox.kms_target import PREFIX


@pytest.mark.parametrize(
    "conditions",
    [
        {"Bool": {"kms:MultiRegion": "true"}},
        {"StringEquals": {"kms:MultiRegionKeyType": "PRIMARY"}},
        {"StringEquals": {"kms:CallerAccount": ACCOUNT}},
        {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
        {"StringEquals": {"aws:RequestedRegion": HOME}},
        {"StringEquals": {"aws:ResourceTag/tier": "gold"}},
        {"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}},
        {"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::*:role/{PREFIX}operator"}},
        {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::*:role/{PREFIX}admin"}},
        {"Null": {"kms:ViaService": "true"}},
        {"StringEqualsIfExists": {"kms:ViaService": "s3.us-east-2.amazonaws.com"}},
        {"Bool": {"aws:SecureTransport": "true"}},
    ],
)
def test_the_condition_keys_of_kms_are_set(kms_cast: Cast, conditions: dict[str, Any]) -> None:
    arn = kms_cast.key(Tags=[{"TagKey": "tier", "TagValue": "gold"}])
    kms_cast.put_policy(arn, statement("*", "kms:Encrypt", **conditions))
    kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"hello")


@pytest.mark.parametrize(
    "conditions",
    [
        {"StringEquals": {"kms:MultiRegionKeyType": "REPLICA"}},
        {"StringEquals": {"aws:RequestedRegion": EUROPE}},
        {"StringEquals": {"kms:ViaService": "s3.us-east-2.amazonaws.com"}},
        {"StringEquals": {"kms:RequestAlias": "alias/x"}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::*:role/{PREFIX}admin"}},
    ],
)
def test_a_condition_that_does_not_hold_refuses(kms_cast: Cast, conditions: dict[str, Any]) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(arn, statement("*", "kms:Encrypt", **conditions))
    with refused("AccessDeniedException"):
        kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"hello")


def test_a_policy_can_demand_that_a_key_is_named_by_its_alias(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    name = f"alias/tenants/{arn[-12:]}"
    client.create_alias(AliasName=name, TargetKeyId=arn)
    kms_cast.put_policy(
        arn, statement("*", "kms:Encrypt", StringLike={"kms:RequestAlias": "alias/tenants/*"})
    )
    client.encrypt(KeyId=name, Plaintext=b"hello")
    with refused("AccessDeniedException"):
        client.encrypt(KeyId=arn, Plaintext=b"hello")


@pytest.mark.parametrize(
    ("tags", "allowed"),
    [
        ({"team": "gateway"}, True),
        ({"team": "gateway", "tenant": "acme"}, True),
        ({"team": "other"}, False),
        ({"team": "gateway", "more": "x"}, False),
        ({}, False),
    ],
)
def test_the_tags_of_a_new_key_can_be_demanded(
    kms_cast: Cast, tags: dict[str, str], allowed: bool
) -> None:
    wanted = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
    policy = document(statement({"AWS": role("tagger")}, "kms:PutKeyPolicy"))
    tagger = kms_cast.kms("tagger")
    if allowed:
        tagger.create_key(Tags=wanted, Policy=policy)
    else:
        with refused("AccessDeniedException", "kms:CreateKey"):
            tagger.create_key(Tags=wanted, Policy=policy)


def test_where_the_primary_may_move_can_be_limited(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.replica(arn, WEST)
    kms_cast.replica(arn, EUROPE)
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement(
            "*", "kms:UpdatePrimaryRegion", "Deny", StringEquals={"kms:PrimaryRegion": EUROPE}
        ),
    )
    client = kms_cast.kms("operator")
    with refused("AccessDeniedException"):
        client.update_primary_region(KeyId=arn, PrimaryRegion=EUROPE)
    client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)


def test_a_permission_can_end_at_a_date(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    for moment, allowed in (("2020-01-01T00:00:00Z", False), ("2120-01-01T00:00:00Z", True)):
        kms_cast.put_policy(
            arn,
            statement("*", "kms:Encrypt", DateLessThan={"aws:CurrentTime": moment}),
            ADMINISTERS,
        )
        if allowed:
            kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"x")
        else:
            with refused("AccessDeniedException"):
                kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"x")
        kms_cast.kms("admin").put_key_policy(
            KeyId=arn, Policy=document(statement({"AWS": ROOT}, "kms:*"))
        )


def test_bypassing_the_lockout_check_can_be_forbidden(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    admins = statement(
        {"AWS": role("operator")},
        "kms:*",
        Null={"kms:BypassPolicyLockoutSafetyCheck": "true"},
    )
    client = kms_cast.kms("operator")
    client.put_key_policy(KeyId=arn, Policy=document(admins))
    kms_cast.settle()
    client.put_key_policy(KeyId=arn, Policy=document(admins))
    for bypass in (True, False):  # the condition key is there whenever the parameter is
        with refused("AccessDeniedException"):
            client.put_key_policy(
                KeyId=arn, Policy=document(admins), BypassPolicyLockoutSafetyCheck=bypass
            )


@pytest.mark.parametrize(
    ("conditions", "allowed"),
    [
        ({"StringEquals": {"kms:KeySpec": "HMAC_256"}}, True),
        ({"StringEquals": {"kms:KeyUsage": "GENERATE_VERIFY_MAC"}}, True),
        ({"StringEquals": {"kms:CustomerMasterKeySpec": "HMAC_256"}}, True),
        ({"StringEquals": {"kms:KeyOrigin": "AWS_KMS"}}, True),
        ({"StringEquals": {"kms:KeyOrigin": "EXTERNAL"}}, False),
        ({"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/tenants/*"}}, True),
        ({"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/other/*"}}, False),
        ({"StringEquals": {"aws:ResourceAccount": ACCOUNT}}, True),
    ],
)
def test_the_kind_and_the_aliases_of_a_key_are_condition_keys(
    kms_cast: Cast, conditions: dict[str, Any], allowed: bool
) -> None:
    arn = kms_cast.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    client = kms_cast.kms("operator")
    client.create_alias(AliasName=f"alias/tenants/{arn[-12:]}", TargetKeyId=arn)
    kms_cast.put_policy(arn, statement("*", "kms:GenerateMac", **conditions))
    if allowed:
        client.generate_mac(KeyId=arn, MacAlgorithm="HMAC_SHA_256", Message=b"x")
    else:
        with refused("AccessDeniedException"):
            client.generate_mac(KeyId=arn, MacAlgorithm="HMAC_SHA_256", Message=b"x")


@pytest.mark.parametrize("key", ["kms:EncryptionContext:tenant", "aws:RequestTag/team"])
def test_a_set_operator_over_a_single_value_is_refused_as_overly_permissive(
    kms_cast: Cast, key: str
) -> None:
    arn = kms_cast.key()
    conditions: dict[str, Any] = {"ForAllValues:StringEquals": {key: "acme"}}
    policy = document(
        statement({"AWS": ROOT}, "kms:*"), statement("*", "kms:Decrypt", **conditions)
    )
    with refused("MalformedPolicyDocumentException", "OverlyPermissiveCondition"):
        kms_cast.kms("operator").put_key_policy(KeyId=arn, Policy=policy)
