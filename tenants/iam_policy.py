"""The identity policies of the gateway's roles. Pure: a deployment in, a document for each role out.

A key policy of ours names the roles itself, and needs no IAM policy beside it (AWS KMS Developer Guide, "Key policies
in AWS KMS"). So what is allowed here matters for what has no key policy: making keys, aliases, lists, parameters. And
it is kept to our tag, since any other key of the account may have the default policy, which lets IAM policies in. What
is denied here binds in every case: it holds whatever a key policy allows.

Not here: who may assume the roles. That depends on where the gateway runs; `trust_template` is where to begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Document: TypeAlias = dict[str, Any]
Statement: TypeAlias = dict[str, Any]

# Of these and no other: `tests/tenants/test_iam_policy.py` compares them with what the code calls.
USE_ACTIONS: Final = ("kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
KEY_ACTIONS: Final = (
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ReplicateKey", "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdatePrimaryRegion",
)  # fmt: skip
ALIAS_ACTIONS: Final = ("kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias")
LIST_ACTIONS: Final = ("cloudtrail:LookupEvents", "kms:ListAliases", "tag:GetResources")
PARAMETER_ACTIONS: Final = ("ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter")
AUDIT_ACTIONS: Final = (
    "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants",
    "kms:ListKeyRotations", "kms:ListResourceTags",
)  # fmt: skip
MOVE_ACTIONS: Final = ("rds:FailoverGlobalCluster", "rds:SwitchoverGlobalCluster")
SEE_ACTIONS: Final = ("rds:DescribeDBClusters", "rds:DescribeGlobalClusters")
_USING: Final = (
    "kms:CreateGrant", "kms:Decrypt", "kms:DeriveSharedSecret", "kms:Encrypt", "kms:GenerateDataKey*",
    "kms:GenerateMac", "kms:ReEncrypt*", "kms:Sign",
)  # fmt: skip
_MANAGING: Final = (
    "kms:Cancel*", "kms:Create*", "kms:Delete*", "kms:Disable*", "kms:Enable*", "kms:Import*", "kms:Put*",
    "kms:Replicate*", "kms:RetireGrant", "kms:RevokeGrant", "kms:Rotate*", "kms:Schedule*", "kms:TagResource",
    "kms:Untag*", "kms:Update*",
)  # fmt: skip
_TENANT: Final = "kms:EncryptionContext:tenant"
_CONTEXT: Final = ("class", "purpose", "tenant")
_ENVIRONMENT: Final = "mrk-gateway:environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What the documents depend on. `use_role` holds `{region}`. `external_accounts` are those of tenants that bring
    their own key; `database_resources` are the resource ids of the database clusters (`cluster-...`), all where none
    is named; `global_cluster` is the name of the Aurora Global Database."""

    partition: str
    account: str
    regions: tuple[str, ...]
    environment: str
    use_role: str
    admin_role: str
    audit_role: str
    database_user: str = "gateway_app"
    database_resources: tuple[str, ...] = ("*",)
    global_cluster: str = "*"
    external_accounts: tuple[str, ...] = ()

    def arns(self, service: str, resource: str, *, account: str = "") -> list[str]:
        """The resource in each Region."""
        owner = account or self.account
        return [
            f"arn:{self.partition}:{service}:{each}:{owner}:{resource}" for each in self.regions
        ]

    @property
    def is_ours(self) -> Statement:
        """The condition that a key is tagged as one of this deployment."""
        return {"StringEquals": {f"aws:ResourceTag/{_ENVIRONMENT}": self.environment}}

    @property
    def here(self) -> Statement:
        """The condition that a request is made in one of the Regions."""
        return {"StringEquals": {"aws:RequestedRegion": list(self.regions)}}


def role_policies(deployment: Deployment) -> dict[str, Document]:
    """The name of each role -> its policy. Each is below the 6,144 characters of a managed policy."""
    use = {deployment.use_role.replace("{region}", region) for region in deployment.regions}
    policies = {_name(role): _document(_use(deployment)) for role in sorted(use)}
    return {
        **policies,
        _name(deployment.admin_role): _document(_administer(deployment)),
        _name(deployment.audit_role): _document(_audit(deployment)),
        "mrk-gateway-database": _document(_connect(deployment)),
        "mrk-database-admin": _document(_move_database(deployment)),
    }


def trust_template(deployment: Deployment) -> Document:
    """Who may assume a role: where to begin, for tasks of Amazon ECS. Replace the principal by your own."""
    return _document(
        [
            {
                "Sid": "WhatRunsTheGateway",
                "Effect": "Allow",
                "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": deployment.account}},
            }
        ]
    )


def _use(of: Deployment) -> Iterator[Statement]:
    """The same for each Region's role: it also asks other Regions, when its own is away. What it gets there, the key
    policies say, which name it."""
    names_tenant = {"Null": {_TENANT: "false"}}
    keys = of.arns("kms", "key/mrk-*")
    yield _allow("UseTenantsKeys", USE_ACTIONS, keys, {**of.is_ours, **names_tenant})
    if of.external_accounts:
        theirs = [
            arn
            for account in of.external_accounts
            for arn in of.arns("kms", "key/mrk-*", account=account)
        ]
        yield _allow("UseKeysOfTenantsAccounts", USE_ACTIONS, theirs, names_tenant)
        yield _allow("LookAtKeysOfTenantsAccounts", ["kms:DescribeKey"], theirs)
    uses = [action for action in _USING if action != "kms:CreateGrant"]
    yield _deny("NeverWithoutATenant", uses, {"Null": {_TENANT: "true"}})
    sealing = ["kms:GenerateDataKey*", "kms:ReEncryptTo"]
    # A record's id in the encryption context would stand in CloudTrail, and make each record cost a call.
    other = {"ForAnyValue:StringNotEquals": {"kms:EncryptionContextKeys": list(_CONTEXT)}}
    yield _deny("NothingElseInTheContext", sealing, other)
    yield _deny("NeverManagesKeys", _MANAGING)


def _administer(of: Deployment) -> Iterator[Statement]:
    tagged = {f"aws:RequestTag/{_ENVIRONMENT}": of.environment}
    yield _allow(
        "MakeMultiRegionKeysWithOurTags",
        ["kms:CreateKey"],
        "*",
        {
            "StringEquals": {**tagged, "aws:RequestedRegion": list(of.regions)},
            "Null": {"aws:RequestTag/mrk-gateway:tenant-id": "false"},
            # A replica is made by ReplicateKey, which asks for CreateKey in its Region and need not say these there.
            "BoolIfExists": {"kms:MultiRegion": "true"},
            "StringEqualsIfExists": {
                "kms:KeySpec": "SYMMETRIC_DEFAULT",
                "kms:KeyOrigin": "AWS_KMS",
            },
        },
    )
    # Tags of a new key need a permission that names no key yet. It lets this role tag any key of the account as ours;
    # the next statement, which would then apply, is for multi-Region keys alone.
    yield _allow(
        "TagNewKeys", ["kms:TagResource"], of.arns("kms", "key/*"), {"StringEquals": tagged}
    )
    yield _allow("ManageOurKeys", KEY_ACTIONS, of.arns("kms", "key/mrk-*"), of.is_ours)
    yield _allow("NameKeys", ALIAS_ACTIONS, of.arns("kms", "alias/tenants/*"))
    yield _allow("FindKeys", LIST_ACTIONS, "*", of.here)
    parameters = of.arns("ssm", f"parameter/mrk-gateway/{of.environment}/tenants/*")
    yield _allow("PublishKeys", PARAMETER_ACTIONS, parameters)
    yield _deny("NeverUsesKeys", _USING)
    yield _deny(
        "OnlyInOurRegions",
        ["kms:ReplicateKey"],
        {"StringNotEquals": {"kms:ReplicaRegion": list(of.regions)}},
    )
    yield _deny(
        "PrimariesOnlyInOurRegions",
        ["kms:UpdatePrimaryRegion"],
        {"StringNotEquals": {"kms:PrimaryRegion": list(of.regions)}},
    )
    # A key policy that its own administrators could not change would stay for ever.
    yield _deny(
        "NeverSkipsTheLockoutCheck",
        ["kms:CreateKey", "kms:PutKeyPolicy", "kms:ReplicateKey"],
        {"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}},
    )


def _audit(of: Deployment) -> Iterator[Statement]:
    yield _allow("ReadOurKeys", AUDIT_ACTIONS, of.arns("kms", "key/mrk-*"), of.is_ours)
    yield _allow("FindKeysAndEvents", LIST_ACTIONS, "*", of.here)
    yield _deny("NeverUsesKeys", _USING)
    yield _deny("NeverManagesKeys", _MANAGING)


def _connect(of: Deployment) -> Iterator[Statement]:
    """Where the database takes IAM tokens instead of a password. The writer may be in any Region."""
    users = [
        arn
        for resource in of.database_resources
        for arn in of.arns("rds-db", f"dbuser:{resource}/{of.database_user}")
    ]
    yield _allow("ConnectAsTheGateway", ["rds-db:connect"], users)


def _move_database(of: Deployment) -> Iterator[Statement]:
    cluster = f"arn:{of.partition}:rds::{of.account}:global-cluster:{of.global_cluster}"
    members = of.arns("rds", "cluster:*")
    yield _allow("SeeTheDatabases", SEE_ACTIONS, [cluster, *members])
    yield _allow("MoveTheWriter", MOVE_ACTIONS, [cluster, *members])


def _allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str] | str,
    condition: Statement | None = None,
) -> Statement:
    resource = resources if isinstance(resources, str) else list(resources)
    allowed = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    return allowed | ({"Condition": condition} if condition else {})


def _deny(sid: str, actions: Sequence[str], condition: Statement | None = None) -> Statement:
    return _allow(sid, actions, "*", condition) | {"Effect": "Deny"}


def _document(statements: Iterator[Statement] | Sequence[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _name(role: str) -> str:
    return role.rpartition("/")[2]
