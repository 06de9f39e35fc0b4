"""Who may call from the beginning, from a JSON file: access keys, and the users and roles of the accounts.

    {"AKIA...": {"secret": "...", "arn": "arn:aws:sts::111122223333:assumed-role/mrk-gateway-admin/cli",
                 "account": "111122223333", "policy": {"Version": "2012-10-17", "Statement": [...]}},
     "arn:aws:iam::444455556666:role/vault": {"trust": {...}, "policy": {...}, "tags": {"team": "keys"}}}

An access key id names one access key: of a user, of an account's root, or of a session of a role. Optional there:
`role_arn` (a role with a path), `session_token`, `tags` (what `aws:PrincipalTag/...` stands for). The ARN of a user or
role names one that has no access key here: it is assumed, or only named by policies. The policy of an access key is
that of the file, whatever IAM's calls make of its user or role; that of a session which was assumed is its role's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from sandbox.kms.accounts import ROLE, USER, Principal
from sandbox.kms.arn import find_principal
from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.document import Policy, parse_identity_policy, parse_trust_policy

INLINE = "preset"  # the name of a policy from the file


class InvalidIdentities(ValueError):
    """The identities file is not what this module describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who calls. `context` holds the condition keys that depend on the caller alone.

    `principal_id` is the unique id of the user or role, of a session with its name behind; of a root, the account.
    """

    access_key: str
    principal_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    caller: Caller
    policy: Policy
    session_policy: Policy | None = None
    context: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Preset:
    """What the file holds: identities by access key id, principals by ARN."""

    identities: Mapping[str, Identity]
    principals: Mapping[str, Principal]


def read_identities(path: Path) -> Preset:
    """All of the file; raises `InvalidIdentities`."""
    try:
        document = json.loads(path.read_text())
        keys = {name: entry for name, entry in document.items() if not name.startswith("arn:")}
        named = {name: entry for name, entry in document.items() if name.startswith("arn:")}
        identities = {name: _identity(name, entry) for name, entry in keys.items()}
        principals = {name: _principal(name, entry) for name, entry in named.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The file holds secrets, so its content is not repeated.
        raise InvalidIdentities(f"{path} is no identities file: {error}") from None
    for identity in identities.values():
        caller = identity.caller
        if caller.kind != "Root":
            principals.setdefault(caller.issuer, _principal(caller.issuer, {}))
    return Preset(identities, principals)


def unique_id(kind: str, seed: str) -> str:
    """An id as IAM gives it to a user or role, from a seed that nothing else has."""
    digits = sha256(seed.encode()).hexdigest().upper()[:17]
    return ("AIDA" if kind == USER else "AROA") + digits


def principal_id(caller: Caller, unique: str) -> str:
    """What STS and CloudTrail call the caller, whose user or role has that unique id."""
    if caller.kind == "Root":
        return caller.account
    return f"{unique}:{caller.name}" if caller.kind == "AssumedRole" else unique


def _principal(arn: str, entry: dict[str, Any]) -> Principal:
    found = find_principal(arn)
    if found is None:
        raise ValueError(f"{arn} is not the ARN of a user or role")
    account, kind, path, name = found
    trust = entry.get("trust")
    if trust is not None and kind == ROLE:
        parse_trust_policy(json.dumps(trust))
    policy = entry.get("policy")
    if policy is not None:
        parse_identity_policy(json.dumps(policy))
    return Principal(
        kind=kind,
        name=name,
        account=account,
        unique_id=unique_id(kind, arn),
        path=path,
        trust=json.dumps(trust) if trust else "",
        policies={INLINE: json.dumps(policy)} if policy else {},
        tags=dict(entry.get("tags", {})),
    )


def _identity(access_key: str, entry: dict[str, Any]) -> Identity:
    caller = Caller.parse(
        entry["arn"], issuer=entry.get("role_arn", ""), tags=dict(entry.get("tags", {}))
    )
    if entry.get("account", caller.account) != caller.account:
        raise ValueError(f"the account of {access_key} is not the one of its ARN")
    policy = entry.get("policy")
    kind = ROLE if caller.kind == "AssumedRole" else USER
    return Identity(
        access_key=access_key,
        principal_id=principal_id(caller, unique_id(kind, caller.issuer)),
        secret=entry["secret"],
        session_token=entry.get("session_token", ""),
        caller=caller,
        policy=parse_identity_policy(json.dumps(policy)) if policy else (),
        context=caller_context(caller),
    )


# CloudTrail's word for the caller -> the word of policies (IAM User Guide, "aws:PrincipalType").
_PRINCIPAL_TYPES = {"AssumedRole": "AssumedRole", "IAMUser": "User", "Root": "Account"}


def caller_context(caller: Caller) -> dict[str, tuple[str, ...]]:
    """The condition keys that depend on the caller alone."""
    context: dict[str, tuple[str, ...]] = {
        # For a session this is the role, as at AWS: a condition on it holds for every session.
        "aws:principalarn": (caller.issuer,),
        "aws:principalaccount": (caller.account,),
        "aws:principaltype": (_PRINCIPAL_TYPES[caller.kind],),
        "aws:principalisawsservice": ("false",),
        "aws:viaawsservice": ("false",),
        # A policy that demands TLS must behave here as at AWS, where a request without it never arrives.
        "aws:securetransport": ("true",),
        "aws:sourceip": ("127.0.0.1",),
        "kms:calleraccount": (caller.account,),
    }
    if caller.kind == "IAMUser":
        context["aws:username"] = (caller.name,)
    for name, value in caller.tags.items():
        context[f"aws:principaltag/{name}".lower()] = (value,)
    return context
