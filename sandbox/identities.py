"""Who calls AWS: one role for each plane, access keys made at random, and which process gets which.

On AWS these are IAM roles that a workload assumes; here each is an access key of a session of that role, which the
stand-in checks (SigV4) and whose identity policy it enforces together with the key policy.
"""

from __future__ import annotations

import json
import secrets
import string
from typing import Any

from sandbox.files import write_file
from sandbox.layout import ACCOUNT, REGIONS, Home, read_json

ADMIN = "gateway-admin"
AUDIT = "gateway-audit"
DATABASE_ADMIN = "database-admin"
ADMINISTRATOR = "administrator"
TENANT = "tenant"
# A tenant's own account: nothing here trusts it until a key policy names it.
TENANT_ACCOUNT = "444455556666"

USE_ACTIONS = ("kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey")
# No use of any key: what makes keys never opens data.
ADMIN_ACTIONS = (
    *(
        "kms:CreateKey",
        "kms:ReplicateKey",
        "kms:UpdatePrimaryRegion",
        "kms:DescribeKey",
        "kms:ListKeys",
    ),
    *("kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:ListAliases"),
    *("kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:ListKeyPolicies"),
    *("kms:TagResource", "kms:UntagResource", "kms:ListResourceTags", "tag:GetResources"),
    *("kms:EnableKey", "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"),
    *("kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:GetKeyRotationStatus"),
    *("kms:RotateKeyOnDemand", "kms:ListKeyRotations", "kms:UpdateKeyDescription"),
    *("ssm:PutParameter", "ssm:GetParameter", "ssm:GetParametersByPath", "ssm:DeleteParameter"),
)
AUDIT_ACTIONS = (
    *(
        "cloudtrail:LookupEvents",
        "kms:DescribeKey",
        "kms:ListKeys",
        "kms:ListAliases",
        "kms:GetKeyPolicy",
    ),
    *(
        "kms:ListResourceTags",
        "kms:GetKeyRotationStatus",
        "kms:ListKeyRotations",
        "tag:GetResources",
    ),
)
DATABASE_ADMIN_ACTIONS = (
    *("rds:DescribeGlobalClusters", "rds:DescribeDBClusters"),
    *("rds:SwitchoverGlobalCluster", "rds:FailoverGlobalCluster"),
)
# Makes users and roles; what they may do with a key, its policy decides.
ADMINISTRATOR_ACTIONS = ("iam:*", "sts:*")
TENANT_ACTIONS = ("kms:Decrypt", "kms:DescribeKey")


def use_profile(region: str) -> str:
    """The profile of that Region's use plane."""
    return f"gateway-use-{region}"


def make_identities(home: Home) -> None:
    """Write the access keys (once) and, from them, what the stand-in and each kind of process reads."""
    _write_stand_in_file(home, _access_keys(home))
    for region in REGIONS:
        use = use_profile(region)
        write_credentials(home, f"web-{region}", [use])
        write_credentials(home, f"worker-{region}", [use, ADMIN])
    write_credentials(home, "operator", [AUDIT])
    for profile in (DATABASE_ADMIN, ADMINISTRATOR, TENANT):
        write_credentials(home, profile, [profile])


def credentials_path(home: Home, name: str) -> str:
    """AWS shared credentials file: `web-REGION`, `worker-REGION`, `operator`, or the name of a profile of its own."""
    return str(home.secrets / f"credentials-{name}")


def access_key(home: Home, profile: str) -> tuple[str, str]:
    """Id and secret of that profile's access key."""
    key = _access_keys(home)[profile]
    return key["id"], key["secret"]


def _roles() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Profile -> ARN, what its identity policy allows."""
    return {
        **{
            use_profile(region): (_session(f"mrk-gateway-use-{region}"), USE_ACTIONS)
            for region in REGIONS
        },
        ADMIN: (_session("mrk-gateway-admin"), ADMIN_ACTIONS),
        AUDIT: (_session("mrk-gateway-audit"), AUDIT_ACTIONS),
        DATABASE_ADMIN: (_session("mrk-database-admin"), DATABASE_ADMIN_ACTIONS),
        ADMINISTRATOR: (f"arn:aws:iam::{ACCOUNT}:user/administrator", ADMINISTRATOR_ACTIONS),
        TENANT: (_session("tenant-data", TENANT_ACCOUNT), TENANT_ACTIONS),
    }


def _session(role: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{role}/sandbox"


def _access_keys(home: Home) -> dict[str, Any]:
    path = home.secrets / "access-keys.json"
    keys: dict[str, Any] = dict(read_json(path))
    missing = _roles().keys() - keys.keys()
    for profile in missing:
        keys[profile] = {"id": _access_key_id(), "secret": secrets.token_urlsafe(30)}
    if missing:
        write_file(path, json.dumps(keys, indent=1))
    return keys


def _access_key_id() -> str:
    # AKIA and not 12 digits: the Parameter Store emulator takes such a key for an account number.
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


def _write_stand_in_file(home: Home, keys: dict[str, Any]) -> None:
    identities = {
        keys[profile]["id"]: {
            "secret": keys[profile]["secret"],
            "arn": arn,
            "policy": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}],
            },
        }
        for profile, (arn, actions) in _roles().items()
    }
    write_file(home.secrets / "identities.json", json.dumps(identities, indent=1))


def write_credentials(home: Home, name: str, profiles: list[str]) -> None:
    """Write an AWS shared credentials file that holds those profiles and no other."""
    keys = _access_keys(home)
    sections = [
        f"[{profile}]\naws_access_key_id = {keys[profile]['id']}\n"
        f"aws_secret_access_key = {keys[profile]['secret']}\n"
        for profile in profiles
    ]
    write_file(home.secrets / f"credentials-{name}", "\n".join(sections))
