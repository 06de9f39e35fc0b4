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
from tenants.iam_policy import Deployment, Document, role_policies

ADMIN = "gateway-admin"
AUDIT = "gateway-audit"
DATABASE_ADMIN = "database-admin"
ADMINISTRATOR = "administrator"
TENANT = "tenant"
TENANT_ACCOUNT = (
    "444455556666"  # a tenant's own: nothing here trusts it until a key policy names it
)

# Makes users and roles; what they may do with a key, its policy decides.
ADMINISTRATOR_ACTIONS = ("iam:*", "sts:*")
TENANT_ACTIONS = ("kms:Decrypt", "kms:DescribeKey")
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/mrk-gateway"
DEPLOYMENT = Deployment(
    partition="aws",
    account=ACCOUNT,
    regions=REGIONS,
    environment="sandbox",
    use_role=f"{_ROLE}-use-{{region}}",
    admin_role=f"{_ROLE}-admin",
    audit_role=f"{_ROLE}-audit",
    external_accounts=(TENANT_ACCOUNT,),
)


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
        write_credentials(home, f"failover-{region}", [use, ADMIN, DATABASE_ADMIN])
    write_credentials(home, "operator", [AUDIT])
    for profile in (DATABASE_ADMIN, ADMINISTRATOR, TENANT):
        write_credentials(home, profile, [profile])


def credentials_path(home: Home, name: str) -> str:
    """AWS shared credentials file: `web-REGION`, `worker-REGION`, `failover-REGION`, `operator`, or the name of a
    profile of its own."""
    return str(home.secrets / f"credentials-{name}")


def access_key(home: Home, profile: str) -> tuple[str, str]:
    """Id and secret of that profile's access key."""
    key = _access_keys(home)[profile]
    return key["id"], key["secret"]


def _identities() -> dict[str, tuple[str, Document]]:
    """Profile -> ARN and identity policy. Those of the gateway are the policies that it generates for AWS."""
    policies = role_policies(DEPLOYMENT)
    roles = {
        **{use_profile(region): f"mrk-gateway-use-{region}" for region in REGIONS},
        ADMIN: "mrk-gateway-admin",
        AUDIT: "mrk-gateway-audit",
        DATABASE_ADMIN: "mrk-database-admin",
    }
    administrator = f"arn:aws:iam::{ACCOUNT}:user/administrator"
    return {
        **{profile: (_session(role), policies[role]) for profile, role in roles.items()},
        ADMINISTRATOR: (administrator, _everywhere(ADMINISTRATOR_ACTIONS)),
        TENANT: (_session("tenant-data", TENANT_ACCOUNT), _everywhere(TENANT_ACTIONS)),
    }


def _everywhere(actions: tuple[str, ...]) -> Document:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _session(role: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{role}/sandbox"


def _access_keys(home: Home) -> dict[str, Any]:
    path = home.secrets / "access-keys.json"
    keys: dict[str, Any] = dict(read_json(path))
    missing = _identities().keys() - keys.keys()
    for profile in missing:
        keys[profile] = {"id": _access_key_id(), "secret": secrets.token_urlsafe(30)}
    if missing:
        write_file(path, json.dumps(keys, indent=1))
    return keys


def _access_key_id() -> str:
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


def _write_stand_in_file(home: Home, keys: dict[str, Any]) -> None:
    identities = {
        keys[profile]["id"]: {
            "secret": keys[profile]["secret"],
            "arn": arn,
            "policy": policy,
        }
        for profile, (arn, policy) in _identities().items()
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
