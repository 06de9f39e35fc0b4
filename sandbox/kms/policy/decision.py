"""The decision: an explicit deny wins, then an allow is looked for, and without one the answer is no.

For a caller of the key's own account the key policy decides: it allows the caller directly, or it allows the account
principal, and then the caller's identity policy must allow too. A caller of another account needs both policies'
consent (AWS KMS Developer Guide, "Default key policy" and "Allowing users in other accounts to use a KMS key").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.conditions import Undecidable
from sandbox.kms.policy.document import Policy, Statement
from sandbox.kms.policy.patterns import Context
from sandbox.kms.policy.principals import Named


class Decision(Enum):
    """The outcome; the value completes AWS's sentence about a refusal."""

    ALLOWED = ""
    DENIED_BY_KEY_POLICY = "with an explicit deny in a resource-based policy"
    DENIED_BY_IDENTITY_POLICY = "with an explicit deny in an identity-based policy"
    NO_KEY_POLICY_ALLOWS = "because no resource-based policy allows the {action} action"
    NO_IDENTITY_POLICY_ALLOWS = "because no identity-based policy allows the {action} action"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the action (`kms:Decrypt`), the resource's ARN or `*`, and the condition keys that are set."""

    action: str
    resource: str
    context: Context


def decide_on_key(
    caller: Caller, request: Request, *, key_policy: Policy, key_account: str, identity: Policy
) -> Decision:
    """Whether `caller` may do this with a key of `key_account` that carries `key_policy`."""
    named = _strongest(key_policy, caller, request)
    if named is None:
        return Decision.DENIED_BY_KEY_POLICY
    allowed = _identity_allows(identity, caller, request)
    if allowed is None:
        return Decision.DENIED_BY_IDENTITY_POLICY
    if named is Named.NOT:
        return Decision.NO_KEY_POLICY_ALLOWS
    alone = named is Named.DIRECT and caller.account == key_account
    return Decision.ALLOWED if alone or allowed else Decision.NO_IDENTITY_POLICY_ALLOWS


def decide_without_key(caller: Caller, request: Request, *, identity: Policy) -> Decision:
    """Whether `caller` may do what concerns no key: the identity policy alone decides."""
    allowed = _identity_allows(identity, caller, request)
    if allowed is None:
        return Decision.DENIED_BY_IDENTITY_POLICY
    return Decision.ALLOWED if allowed else Decision.NO_IDENTITY_POLICY_ALLOWS


def _strongest(policy: Policy, caller: Caller, request: Request) -> Named | None:
    """The strongest way in which the key policy allows; None when it denies."""
    strongest = Named.NOT
    for statement in policy:
        named = _named(statement, caller)
        if named is Named.NOT or not _applies(statement, request):
            continue
        if statement.denies:
            return None
        if named is Named.DIRECT or strongest is Named.NOT:
            strongest = named
    return strongest


def _identity_allows(policy: Policy, caller: Caller, request: Request) -> bool | None:
    """None when the policy denies. An account's root user carries no policy, and needs none."""
    allowed = caller.kind == "Root"
    for statement in policy:
        if not _applies(statement, request):
            continue
        if statement.denies:
            return None
        allowed = True
    return allowed


def _named(statement: Statement, caller: Caller) -> Named:
    if statement.principals is None:
        return Named.NOT
    return statement.principals.naming(caller, deny=statement.denies)


def _applies(statement: Statement, request: Request) -> bool:
    if not statement.actions.admits(request.action, request.context):
        return False
    if not statement.resources.admits(request.resource, request.context):
        return False
    try:
        return all(condition(request.context) for condition in statement.conditions)
    except Undecidable:
        return statement.denies
