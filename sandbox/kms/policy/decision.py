"""The decision: an explicit deny wins, then an allow is looked for, and without one the answer is no.

For a caller of the key's own account the key policy decides: it allows the caller directly, or it allows the account
principal, and then the caller's identity policy must allow too. A caller of another account needs both policies'
consent (AWS KMS Developer Guide, "Default key policy" and "Allowing users in other accounts to use a KMS key").

A session policy, which came with AssumeRole, limits what the session may through its role, but not what a key policy
gives to the session by its own name (IAM User Guide, "Session policies").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sandbox.kms.policy.caller import Caller
from sandbox.kms.policy.conditions import Undecidable
from sandbox.kms.policy.document import Policy, Statement, parse_identity_policy
from sandbox.kms.policy.patterns import Context
from sandbox.kms.policy.principals import Named

EVERYTHING = parse_identity_policy(
    '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
)


class Decision(Enum):
    """The outcome; the value completes AWS's sentence about a refusal."""

    ALLOWED = ""
    DENIED_BY_KEY_POLICY = "with an explicit deny in a resource-based policy"
    DENIED_BY_IDENTITY_POLICY = "with an explicit deny in an identity-based policy"
    DENIED_BY_SESSION_POLICY = "with an explicit deny in a session policy"
    NO_KEY_POLICY_ALLOWS = "because no resource-based policy allows the {action} action"
    NO_IDENTITY_POLICY_ALLOWS = "because no identity-based policy allows the {action} action"
    NO_SESSION_POLICY_ALLOWS = "because no session policy allows the {action} action"

    @property
    def is_silent(self) -> bool:
        """Whether nothing denies and nothing allows."""
        return self.value.startswith("because")


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: the action (`kms:Decrypt`), the resource's ARN or `*`, and the condition keys that are set."""

    action: str
    resource: str
    context: Context


def decide_on_key(
    caller: Caller,
    request: Request,
    *,
    key_policy: Policy,
    key_account: str,
    identity: Policy,
    session: Policy | None = None,
) -> Decision:
    """Whether `caller` may do this with a key of `key_account` that carries `key_policy`.

    A role and its trust policy are decided on in the same way. `session` is the session policy, None without one.
    """
    named = _strongest(key_policy, caller, request)
    if named is None:
        return Decision.DENIED_BY_KEY_POLICY
    of_caller = decide_without_key(caller, request, identity=identity, session=session)
    if of_caller is not Decision.ALLOWED and not of_caller.is_silent:
        return of_caller
    if named is Named.NOT:
        return Decision.NO_KEY_POLICY_ALLOWS
    if caller.account == key_account:
        if named is Named.SESSION:
            return Decision.ALLOWED
        if named is Named.DIRECT and of_caller is Decision.NO_IDENTITY_POLICY_ALLOWS:
            of_caller = decide_without_key(caller, request, identity=EVERYTHING, session=session)
    return of_caller


def decide_without_key(
    caller: Caller, request: Request, *, identity: Policy, session: Policy | None = None
) -> Decision:
    """Whether `caller` may do what concerns no key: its own policies alone decide."""
    allowed = _allows(identity, request)
    if allowed is None:
        return Decision.DENIED_BY_IDENTITY_POLICY
    within = True if session is None else _allows(session, request)
    if within is None:
        return Decision.DENIED_BY_SESSION_POLICY
    # An account's root user carries no policy, and needs none.
    if not allowed and caller.kind != "Root":
        return Decision.NO_IDENTITY_POLICY_ALLOWS
    return Decision.ALLOWED if within else Decision.NO_SESSION_POLICY_ALLOWS


def _strongest(policy: Policy, caller: Caller, request: Request) -> Named | None:
    """The strongest way in which the key policy allows; None when it denies."""
    strongest = Named.NOT
    for statement in policy:
        named = _named(statement, caller)
        if named is Named.NOT or not _applies(statement, request):
            continue
        if statement.denies:
            return None
        strongest = max(strongest, named)
    return strongest


def _allows(policy: Policy, request: Request) -> bool | None:
    """Whether a policy without principals allows; None when it denies."""
    allowed = False
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
