"""Who may call, from a JSON file: access key id -> secret, ARN, account, identity policy.

    {"AKIA...": {"secret": "...", "arn": "arn:aws:sts::111122223333:assumed-role/mrk-gateway-admin/cli",
                 "account": "111122223333", "policy": {"Version": "2012-10-17", "Statement": [...]}}}

Optional: `role_arn` (a role with a path), `session_token`, `tags` (what `aws:PrincipalTag/...` stands for).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.document import Policy, parse_identity_policy


class InvalidIdentities(ValueError):
    """The identities file is not what this module describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One access key. `context` holds the condition keys that depend on the caller alone."""

    access_key: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    caller: Caller
    policy: Policy
    context: Mapping[str, tuple[str, ...]]


def read_identities(path: Path) -> dict[str, Identity]:
    """All identities of the file by access key id; raises `InvalidIdentities`."""
    try:
        document = json.loads(path.read_text())
        return {key: _identity(key, entry) for key, entry in document.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # The file holds secrets, so its content is not repeated.
        raise InvalidIdentities(f"{path} is no identities file: {error}") from None


def _identity(access_key: str, entry: dict[str, Any]) -> Identity:
    caller = Caller.parse(
        entry["arn"], issuer=entry.get("role_arn", ""), tags=dict(entry.get("tags", {}))
    )
    if entry.get("account", caller.account) != caller.account:
        raise ValueError(f"the account of {access_key} is not the one of its ARN")
    policy = entry.get("policy")
    return Identity(
        access_key=access_key,
        secret=entry["secret"],
        session_token=entry.get("session_token", ""),
        caller=caller,
        policy=parse_identity_policy(json.dumps(policy)) if policy else (),
        context=_context(caller),
    )


# CloudTrail's word for the caller -> the word of policies (IAM User Guide, "aws:PrincipalType").
_PRINCIPAL_TYPES = {"AssumedRole": "AssumedRole", "IAMUser": "User", "Root": "Account"}


def _context(caller: Caller) -> dict[str, tuple[str, ...]]:
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
