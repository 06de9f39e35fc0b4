"""The rules of a tenant's Regions, compiled into the key policy of one Region."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tenants.key_policy.rules import (
    EVERY_CLASS,
    Document,
    Principals,
    Rule,
    Statement,
    shared_classes,
)

TENANT_KEY: Final = "kms:EncryptionContext:tenant"
CLASS_KEY: Final = "kms:EncryptionContext:class"
PURPOSE_KEY: Final = "kms:EncryptionContext:purpose"
# Nothing here lets the admin role use a key, or let others use it: no Decrypt, no GenerateDataKey, no CreateGrant.
ADMIN_ACTIONS: Final = (
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias",
    "kms:UpdateKeyDescription", "kms:UpdatePrimaryRegion",
)  # fmt: skip
REWRAP_ACTIONS: Final = ("kms:ReEncryptFrom", "kms:ReEncryptTo")
AUDIT_ACTIONS: Final = (
    "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants",
    "kms:ListKeyRotations", "kms:ListResourceTags",
)  # fmt: skip


def build(*, region: str, rules: Sequence[Rule], tenant: str, principals: Principals) -> Document:
    """The key policy of the tenant's key in `region`. `tenant` is the tenant id of the encryption context.

    The same rules give the same document, whatever their order. Raises `KeyError` when `region` has no rule.
    """
    ordered = sorted(rules, key=lambda rule: rule.region)
    own = {rule.region: rule for rule in ordered}[region]
    return {
        "Version": "2012-10-17",
        "Id": f"mrk-gateway-{region}",
        "Statement": [
            _keep_control(principals),
            _administer(principals),
            *_replicate([rule.region for rule in ordered], principals),
            _audit(principals),
            *(
                statement
                for rule in ordered
                for statement in _use(rule, own, tenant, principals.use_role_of(rule.region))
            ),
        ],
    }


def render(document: Document) -> str:
    """The text for KMS, which takes at most 32 KiB."""
    return json.dumps(document, separators=(",", ":"))


def _keep_control(principals: Principals) -> Statement:
    """The account's root user may repair the policy, and nothing else.

    If the admin role were deleted, a policy without this could never be changed again, and AWS Support would have to
    help ("Default key policy"). Naming the account principal has a second effect: it lets IAM policies of the account
    grant what the statement allows. The condition takes that away: it holds for the root user alone, and for no role
    or user, so an IAM policy can neither rewrite the key policy nor decrypt.
    """
    return {
        "Sid": "AccountRootMayRepairThisPolicy",
        "Effect": "Allow",
        "Principal": {"AWS": principals.account_root},
        "Action": ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalType": "Account"}},
    }


def _administer(principals: Principals) -> Statement:
    return {
        "Sid": "AdminRoleManagesAndCannotUse",
        "Effect": "Allow",
        "Principal": {"AWS": principals.admin_role},
        "Action": list(ADMIN_ACTIONS),
        "Resource": "*",
    }


def _replicate(regions: Sequence[str], principals: Principals) -> Iterator[Statement]:
    yield {
        "Sid": "AdminRoleReplicates",
        "Effect": "Allow",
        "Principal": {"AWS": principals.admin_role},
        "Action": "kms:ReplicateKey",
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:ReplicaRegion": list(regions)}},
    }
    yield {
        "Sid": "NobodyReplicatesElsewhere",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "kms:ReplicateKey",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"kms:ReplicaRegion": list(regions)}},
    }


def _audit(principals: Principals) -> Statement:
    return {
        "Sid": "AuditRoleReads",
        "Effect": "Allow",
        "Principal": {"AWS": principals.audit_role},
        "Action": list(AUDIT_ACTIONS),
        "Resource": "*",
    }


def _use(of: Rule, own: Rule, tenant: str, role: str) -> Iterator[Statement]:
    """What the role of Region `of` may do with the key of Region `own`: what both may.

    Index keys get no exception: whoever holds one can test guesses of a searchable value against the replicated
    tokens, which is a way of decrypting what has few possible values.
    """
    name = "".join(word.title() for word in of.region.split("-"))
    classes = shared_classes(of, own)
    encrypts = of.may_encrypt and own.may_encrypt
    opened: dict[str, Any] = {TENANT_KEY: tenant}
    if EVERY_CLASS not in classes:
        opened |= {CLASS_KEY: list(classes)}
    if encrypts:
        yield _allow_use(f"Encrypt{name}", role, "kms:GenerateDataKey", {TENANT_KEY: tenant})
    if classes:
        yield _allow_use(f"Decrypt{name}", role, "kms:Decrypt", opened)
    if encrypts and classes and of.region == own.region:
        # Index keys live as long as the records, so they are wrapped anew when the key rotates or is replaced. From
        # is as much as Decrypt and To as much as GenerateDataKey: whoever has both of them already gains nothing.
        index_keys = opened | {PURPOSE_KEY: "index"}
        yield _allow_use(f"Rewrap{name}", role, list(REWRAP_ACTIONS), index_keys)


def _allow_use(sid: str, role: str, action: str | list[str], equal: Mapping[str, Any]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": role},
        "Action": action,
        "Resource": "*",
        "Condition": {"StringEquals": dict(equal)},
    }
