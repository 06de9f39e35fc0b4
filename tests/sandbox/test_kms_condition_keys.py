"""Each condition key, under each operator that policies use with it, present and absent, in requests of boto3.

Sources: AWS KMS Developer Guide, "Condition keys for AWS KMS"; IAM User Guide, "Condition operators" and "Conditions
with multiple context keys or values".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.kms_cast import (
    ACCOUNT,
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
)
from tests.sandbox.kms_roles import become, fresh_role

CONTEXT = {"tenant": "acme", "class": "pii"}
S3 = f"s3.{HOME}.amazonaws.com"
ADMINISTERED = statement({"AWS": ROOT}, ["kms:PutKeyPolicy", "kms:DescribeKey"])

Row = tuple[str, Any, bool]  # operator, values, whether the condition holds

# What an operator says of a key that is absent does not depend on the key.
ABSENT: list[Row] = [
    ("StringEquals", "x", False),
    ("StringLike", "*", False),
    ("StringEqualsIfExists", "x", True),
    ("StringLikeIfExists", "x", True),
    ("StringNotEquals", "x", True),
    ("StringNotEqualsIfExists", "x", True),
    ("ForAnyValue:StringEquals", "x", False),
    ("ForAllValues:StringEquals", "x", True),
    ("Null", "true", True),
    ("Null", "false", False),
]

PRESENT: dict[str, list[Row]] = {
    "kms:CallerAccount": [
        ("StringEquals", ACCOUNT, True),
        ("StringEquals", [OTHER_ACCOUNT, ACCOUNT], True),
        ("StringEquals", OTHER_ACCOUNT, False),
        ("StringEqualsIfExists", OTHER_ACCOUNT, False),
        ("StringNotEquals", OTHER_ACCOUNT, True),
        ("StringLike", f"{ACCOUNT[:4]}*", True),
        ("Null", "false", True),
        ("Null", "true", False),
    ],
    "kms:MultiRegion": [
        ("Bool", "true", True),
        ("Bool", "false", False),
        ("BoolIfExists", "false", False),
        ("Null", "false", True),
    ],
    "kms:MultiRegionKeyType": [
        ("StringEquals", "PRIMARY", True),
        ("StringEquals", "REPLICA", False),
        ("StringEquals", "primary", False),
        ("StringEqualsIfExists", "REPLICA", False),
        ("Null", "false", True),
    ],
    "kms:EncryptionContextKeys": [
        ("ForAllValues:StringEquals", ["tenant", "class"], True),
        ("ForAllValues:StringEquals", ["tenant", "class", "purpose"], True),
        ("ForAllValues:StringEquals", ["tenant"], False),
        ("ForAllValues:StringLike", ["t*", "cl?ss"], True),
        ("ForAllValues:StringNotEquals", ["purpose"], True),
        ("ForAnyValue:StringEquals", ["tenant", "purpose"], True),
        ("ForAnyValue:StringEquals", ["purpose"], False),
        ("ForAnyValue:StringEquals", ["Tenant"], False),
        ("ForAnyValue:StringEqualsIgnoreCase", ["Tenant"], True),
        ("Null", "false", True),
    ],
    "kms:EncryptionContext:tenant": [
        ("StringEquals", "acme", True),
        ("StringEquals", "Acme", False),
        ("StringEqualsIfExists", "globex", False),
        ("StringLike", "ac*", True),
        ("Null", "false", True),
    ],
    "aws:RequestedRegion": [
        ("StringEquals", HOME, True),
        ("StringEquals", [EUROPE, WEST], False),
        ("StringNotEquals", EUROPE, True),
        ("StringLike", "us-*", True),
        ("Null", "true", False),
    ],
    "aws:PrincipalArn": [
        ("ArnEquals", role("operator"), True),
        ("ArnLike", f"arn:aws:iam::*:role/{role('oper').rpartition('/')[2]}*", True),
        ("ArnLike", f"arn:aws:iam::{OTHER_ACCOUNT}:role/*", False),
        ("ArnLike", session("operator"), False),  # of a session it is the role's
        ("ArnNotLike", role("mrk-*"), True),
        ("ArnLikeIfExists", role("mrk-*"), False),
        ("StringEquals", role("operator"), True),
        ("StringLike", "arn:aws:iam::*", True),
    ],
    # A direct caller is no AWS service: a policy that demands one refuses.
    "kms:ViaService": [("StringEquals", S3, False), ("StringEqualsIfExists", S3, True), *ABSENT],
    "kms:PrimaryRegion": ABSENT,
    "kms:ReplicaRegion": ABSENT,
    "kms:GrantIsForAWSResource": [
        ("Bool", "true", False),
        ("Bool", "false", False),
        ("BoolIfExists", "true", True),
        ("Null", "true", True),
    ],
}
ROWS = [(key, row) for key, rows in PRESENT.items() for row in rows]


@pytest.fixture(scope="module")
def arn(kms_cast: Cast) -> str:
    """One key for all rows; each gives it another policy."""
    return kms_cast.key()


def is_allowed(cast: Cast, arn: str, *statements: dict[str, Any]) -> bool:
    """Whether the operator may encrypt under a key policy of these statements."""
    cast.put_policy(arn, ADMINISTERED, *statements)
    client = cast.kms("operator")
    try:
        client.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext=CONTEXT)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


@pytest.mark.parametrize(("key", "row"), ROWS, ids=str)
def test_a_condition_decides_as_its_operator_says(
    kms_cast: Cast, arn: str, key: str, row: Row
) -> None:
    operator, values, holds = row
    conditions: dict[str, Any] = {operator: {key: values}}
    allow = statement("*", "kms:Encrypt", **conditions)
    assert is_allowed(kms_cast, arn, allow) is holds
    deny = statement("*", "kms:Encrypt", "Deny", **conditions)
    assert is_allowed(kms_cast, arn, statement("*", "kms:Encrypt"), deny) is not holds


@pytest.mark.parametrize(("operator", "values", "holds"), ABSENT)
def test_without_an_encryption_context_there_are_no_context_keys(
    kms_cast: Cast, arn: str, operator: str, values: Any, holds: bool
) -> None:
    condition: dict[str, Any] = {operator: {"kms:EncryptionContextKeys": values}}
    kms_cast.put_policy(arn, ADMINISTERED, statement("*", "kms:Encrypt", **condition))
    if holds:
        kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"x")
    else:
        with refused("AccessDeniedException"):
            kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"x")


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("replica", "kms:MultiRegionKeyType", "REPLICA"),
        ("replica", "kms:MultiRegion", "true"),
        ("single", "kms:MultiRegion", "false"),
    ],
)
def test_a_replica_and_a_single_region_key_are_told_apart(
    kms_cast: Cast, kind: str, key: str, value: str
) -> None:
    arn = kms_cast.key(MultiRegion=kind == "replica")
    if kind == "replica":
        arn = kms_cast.replica(arn, WEST)
    client = kms_cast.kms("operator", arn.split(":")[3])
    kms_cast.put_policy(arn, ADMINISTERED, statement("*", "kms:Encrypt", StringEquals={key: value}))
    client.encrypt(KeyId=arn, Plaintext=b"x")
    if kind == "single":  # which has no multi-Region type at all
        absent = statement("*", "kms:Encrypt", Null={"kms:MultiRegionKeyType": "true"})
        kms_cast.put_policy(arn, ADMINISTERED, absent)
        client.encrypt(KeyId=arn, Plaintext=b"x")


def test_the_callers_account_is_the_one_that_calls(kms_cast: Cast, arn: str) -> None:
    stranger = kms_cast.kms("stranger")
    for account, allowed in ((OTHER_ACCOUNT, True), (ACCOUNT, False)):
        condition = {"kms:CallerAccount": account}
        allow = statement({"AWS": "*"}, "kms:Encrypt", StringEquals=condition)
        kms_cast.put_policy(arn, ADMINISTERED, allow)
        if allowed:
            stranger.encrypt(KeyId=arn, Plaintext=b"x")
        else:
            with refused("AccessDeniedException"):
                stranger.encrypt(KeyId=arn, Plaintext=b"x")


def test_the_region_of_a_request_is_that_of_its_endpoint(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    only = statement("*", "kms:Encrypt", StringEquals={"aws:RequestedRegion": WEST})
    for each in (arn, replica):
        kms_cast.put_policy(each, ADMINISTERED, only)
    kms_cast.kms("operator", WEST).encrypt(KeyId=replica, Plaintext=b"x")
    with refused("AccessDeniedException"):
        kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"x")


@pytest.mark.parametrize("value", ["true", "false"])
def test_no_grant_of_a_direct_caller_is_for_an_aws_resource(kms_cast: Cast, value: str) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    grant = {"GranteePrincipal": role("nobody"), "Operations": ["Decrypt"]}
    made = client.create_grant(KeyId=arn, **grant)["GrantId"]
    actions = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]
    allow = statement("*", actions, Bool={"kms:GrantIsForAWSResource": value})
    kms_cast.put_policy(arn, ADMINISTERED, allow)
    calls: list[Callable[[], Any]] = [
        lambda: client.create_grant(KeyId=arn, **grant),
        lambda: client.list_grants(KeyId=arn),
        lambda: client.revoke_grant(KeyId=arn, GrantId=made),
    ]
    for call in calls:
        if value == "false":
            call()
        else:
            with refused("AccessDeniedException"):
                call()


def test_where_replicas_and_the_primary_may_be_is_limited_by_the_key_policy(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    kms_cast.put_policy(
        arn,
        ADMINISTERED,
        statement("*", "kms:ReplicateKey", StringEquals={"kms:ReplicaRegion": [WEST, EUROPE]}),
        statement("*", "kms:UpdatePrimaryRegion", StringLike={"kms:PrimaryRegion": "us-*"}),
    )
    for region in (WEST, EUROPE):
        kms_cast.replica(arn, region)
    with refused("AccessDeniedException", "kms:ReplicateKey"):
        client.replicate_key(KeyId=arn, ReplicaRegion="eu-central-1")
    with refused("AccessDeniedException", "kms:UpdatePrimaryRegion"):
        client.update_primary_region(KeyId=arn, PrimaryRegion=EUROPE)
    client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)


def test_which_keys_may_be_made_is_limited_by_identity_policies(kms_cast: Cast) -> None:
    """CreateKey has no key policy to ask; the replica of ReplicateKey is a new key of its own Region."""
    makes = {"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*"}
    multi_region = makes | {"Condition": {"Bool": {"kms:MultiRegion": "true"}}}
    replicas_west = makes | {
        "Condition": {
            "StringEquals": {"kms:MultiRegionKeyType": "REPLICA", "aws:RequestedRegion": WEST}
        }
    }
    policy = document(statement({"AWS": ROOT}, "kms:*"))

    maker = kms_cast.kms(become(kms_cast, fresh_role(kms_cast, multi_region)))
    bypass = {"Policy": policy, "BypassPolicyLockoutSafetyCheck": True}
    maker.create_key(MultiRegion=True, **bypass)
    with refused("AccessDeniedException", "kms:CreateKey"):
        maker.create_key(**bypass)

    replicates = {"Effect": "Allow", "Action": "kms:ReplicateKey", "Resource": "*"}
    name = fresh_role(kms_cast, replicas_west, replicates)
    replicator = kms_cast.kms(become(kms_cast, name))
    with refused("AccessDeniedException", "kms:CreateKey"):
        replicator.create_key(MultiRegion=True, **bypass)
    arn = kms_cast.key()
    with refused("AccessDeniedException", "kms:CreateKey"):
        replicator.replicate_key(KeyId=arn, ReplicaRegion=EUROPE, **bypass)
    replicator.replicate_key(KeyId=arn, ReplicaRegion=WEST, **bypass)
