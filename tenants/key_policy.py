"""A tenant's Region rules, compiled into the key policy of one Region. Pure: rules in, document out.

    rules -> build(...) -> document -> render(document) -> KMS
                              |-> fingerprint, difference (is that what KMS holds?), explain (what does it say?)

A key policy is the only door to a KMS key: without it no IAM policy counts (AWS KMS Developer Guide, "Key policies in
AWS KMS"). The documents here name every principal, so nobody else gets in, and what a principal may do with a
replica is what both Regions allow, its own and the replica's: a Region that may decrypt nothing can neither decrypt
with its own key nor with a neighbour's, and a neighbour that stands in for an outage gets no more than at home.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

Document: TypeAlias = dict[str, Any]
Statement: TypeAlias = dict[str, Any]

EVERY_CLASS: Final = "*"
_TENANT: Final = "kms:EncryptionContext:tenant"
_CLASS: Final = "kms:EncryptionContext:class"
# Nothing here lets the admin role use a key, or let others use it: no Decrypt, no GenerateDataKey, no CreateGrant.
_ADMIN_ACTIONS: Final = (
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias",
    "kms:UpdateKeyDescription", "kms:UpdatePrimaryRegion",
)  # fmt: skip
_AUDIT_ACTIONS: Final = (
    "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants",
    "kms:ListKeyRotations", "kms:ListResourceTags",
)  # fmt: skip


class Rule(Protocol):
    """What one Region may do."""

    @property
    def region(self) -> str: ...
    @property
    def may_encrypt(self) -> bool: ...
    @property
    def may_decrypt(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Principals:
    """Who a key policy names. `use_role` holds `{region}`: each Region's gateway has a role of its own."""

    account_root: str
    use_role: str
    admin_role: str
    audit_role: str

    def use_role_of(self, region: str) -> str:
        """The role of that Region's gateway processes."""
        return self.use_role.replace("{region}", region)


def opens(rule: Rule, classification: str) -> bool:
    """Whether the rule lets its Region decrypt that classification."""
    return EVERY_CLASS in rule.may_decrypt or classification in rule.may_decrypt


def shared_classes(one: Rule, other: Rule) -> tuple[str, ...]:
    """What both Regions may decrypt, sorted: `("*",)` for everything, `()` for nothing."""
    classes = {name for name in one.may_decrypt if opens(other, name)} | {
        name for name in other.may_decrypt if opens(one, name)
    }
    return (EVERY_CLASS,) if EVERY_CLASS in classes else tuple(sorted(classes))


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


def fingerprint(document: Mapping[str, Any]) -> str:
    """SHA-256 in hex over the normalised document: equal for documents that differ in the order of lists and in
    writing one string as a list of one, which KMS and people change at will."""
    return hashlib.sha256(json.dumps(_normal(document), sort_keys=True).encode()).hexdigest()


def difference(desired: Mapping[str, Any], applied: Mapping[str, Any]) -> tuple[str, ...]:
    """What is wrong with the applied document, a sentence each; empty when the fingerprints are equal."""
    wanted, found = _by_sid(desired), _by_sid(applied)
    parts = [
        *(f"{sid} is missing." for sid in wanted if sid not in found),
        *(f"{sid} should not be there." for sid in found if sid not in wanted),
        *(f"{sid} was changed." for sid in wanted if sid in found and wanted[sid] != found[sid]),
    ]
    if not parts and fingerprint(desired) != fingerprint(applied):
        parts = ["The statements are equal, but something around them was changed."]
    return tuple(parts)


def explain(document: Document) -> tuple[tuple[str, str], ...]:
    """Each statement of a document that `build` made: its Sid and what it means, in a sentence."""
    return tuple((statement["Sid"], _sentence(statement)) for statement in document["Statement"])


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
        "Action": list(_ADMIN_ACTIONS),
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
        "Action": list(_AUDIT_ACTIONS),
        "Resource": "*",
    }


def _use(of: Rule, own: Rule, tenant: str, role: str) -> Iterator[Statement]:
    """What the role of Region `of` may do with the key of Region `own`: what both may.

    Index keys get no exception: whoever holds one can test guesses of a searchable value against the replicated
    tokens, which is a way of decrypting what has few possible values.
    """
    name = "".join(word.title() for word in of.region.split("-"))
    classes = shared_classes(of, own)
    if of.may_encrypt and own.may_encrypt:
        yield _allow_use(f"Encrypt{name}", role, "kms:GenerateDataKey", {_TENANT: tenant})
    if EVERY_CLASS in classes:
        yield _allow_use(f"Decrypt{name}", role, "kms:Decrypt", {_TENANT: tenant})
    elif classes:
        pairs_of_class = {_TENANT: tenant, _CLASS: list(classes)}
        yield _allow_use(f"Decrypt{name}", role, "kms:Decrypt", pairs_of_class)


def _allow_use(sid: str, role: str, action: str, equal: Mapping[str, Any]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": role},
        "Action": action,
        "Resource": "*",
        "Condition": {"StringEquals": dict(equal)},
    }


_FIXED_SENTENCES: Final = {
    "AccountRootMayRepairThisPolicy": "The root user of the account, and no role or user of it, may read and replace"
    " this policy, so that a lost admin role does not lose the key.",
    "AdminRoleManagesAndCannotUse": "The admin role manages the key: description, policy, tags, aliases, rotation,"
    " state, deletion. It can neither encrypt nor decrypt, nor grant that to others.",
    "AuditRoleReads": "The audit role reads the key's description, policy, tags, grants and rotations.",
}


def _sentence(statement: Statement) -> str:
    sid = statement["Sid"]
    if sid in _FIXED_SENTENCES:
        return _FIXED_SENTENCES[sid]
    [(_, condition)] = statement["Condition"].items()
    if "kms:ReplicaRegion" in condition:
        regions = ", ".join(condition["kms:ReplicaRegion"])
        if statement["Effect"] == "Deny":
            return f"Nobody makes a replica outside of {regions}, whatever other policies say."
        return f"The admin role makes replicas in {regions}."
    role = str(statement["Principal"]["AWS"]).rpartition("/")[2]
    if statement["Action"] == "kms:GenerateDataKey":
        return f"{role} makes data keys of this tenant, to encrypt."
    classes = condition.get(_CLASS)
    what = f"classified {', '.join(classes)}" if classes else "of every classification"
    return f"{role} decrypts data of this tenant {what}."


def _by_sid(document: Mapping[str, Any]) -> dict[str, Any]:
    statements = document.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return {str(one.get("Sid", f"Statement {n}")): _normal(one) for n, one in enumerate(listed, 1)}


def _normal(value: Any) -> Any:
    """Lists sorted and free of duplicates, every scalar outside of an object's keys a list of one."""
    if isinstance(value, Mapping):
        return {key: _normal(item) for key, item in value.items()}
    items = value if isinstance(value, list) else [value]
    encoded = {
        json.dumps(_normal(i) if isinstance(i, Mapping) else i, sort_keys=True) for i in items
    }
    return sorted(encoded)
