"""Whether the caller may: the condition keys of a request are put together here, and `policy.decision` decides.

Where no policy allows, a grant may; what a policy denies, no grant allows.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.kms.call import Call
from sandbox.kms.conditions import Conditions, key_conditions, place_and_time
from sandbox.kms.errors import access_denied
from sandbox.kms.granting import check_tokens, grants_for
from sandbox.kms.grants import Grant
from sandbox.kms.keys import Alias, RegionalKey
from sandbox.kms.policy.decision import (
    Decision,
    Request,
    decide_on_key,
    decide_without_key,
)
from sandbox.kms.policy.document import parse_key_policy
from sandbox.kms.policy.patterns import Context
from sandbox.kms.service import Service


def authorize_key(
    service: Service,
    call: Call,
    action: str,
    key: RegionalKey,
    conditions: Conditions | None = None,
    *,
    encryption_context: Mapping[str, str] | None = None,
) -> None:
    """Refuse unless the caller may do `action` (`kms:Decrypt`) with the key.

    `encryption_context` is what grants are constrained by; None where the operation has none.
    """
    check_tokens(service.store, call)
    decision = decide(service, call, action, key, conditions)
    if decision.is_silent and applicable_grants(
        service, call, action, key, conditions, encryption_context=encryption_context
    ):
        return
    refuse_unless_allowed(decision, call, action, key.arn)


def decide(
    service: Service,
    call: Call,
    action: str,
    key: RegionalKey,
    conditions: Conditions | None = None,
) -> Decision:
    """What the policies say, without grants."""
    return decide_on_key(
        call.identity.caller,
        _request(service, call, action, key, conditions),
        key_policy=parse_key_policy(key.policy),
        key_account=key.account,
        identity=call.identity.policy,
        session=call.identity.session_policy,
    )


def applicable_grants(
    service: Service,
    call: Call,
    action: str,
    key: RegionalKey,
    conditions: Conditions | None = None,
    *,
    encryption_context: Mapping[str, str] | None = None,
) -> list[Grant]:
    """The grants of the key that let the caller do `action`."""

    def delegated() -> bool:
        return own_policies_allow(call, _request(service, call, action, key, conditions))

    return grants_for(
        service.store, call, action, key, context=encryption_context, delegated=delegated
    )


def own_policies_allow(call: Call, request: Request) -> bool:
    """Whether the caller's own policies allow it, whatever the resource's policy says."""
    identity = call.identity
    decision = decide_without_key(
        identity.caller, request, identity=identity.policy, session=identity.session_policy
    )
    return decision is Decision.ALLOWED


def _request(
    service: Service, call: Call, action: str, key: RegionalKey, conditions: Conditions | None
) -> Request:
    context: Context = {
        **call.identity.context,
        **place_and_time(key.region, int(call.now)),
        **key_conditions(service.store, key),
        **(conditions or {}),
    }
    return Request(action, key.arn, context)


def authorize_alias(call: Call, action: str, alias: Alias) -> None:
    """Refuse unless the caller's identity policy admits `action` on the alias, which has no policy of its own."""
    authorize_resource(call, action, alias.arn, region=alias.region)


def authorize_account(
    call: Call, action: str, conditions: Conditions | None = None, *, region: str = ""
) -> None:
    """Refuse unless the identity policy admits what concerns no key, such as kms:CreateKey, in that Region."""
    authorize_resource(call, action, "*", conditions, region=region)


def authorize_resource(
    call: Call,
    action: str,
    resource: str,
    conditions: Conditions | None = None,
    *,
    region: str = "",
) -> None:
    """Refuse unless the identity policy admits `action` on something that has no policy of its own."""
    context: Context = {
        **call.identity.context,
        **place_and_time(region or call.region, int(call.now)),
        **(conditions or {}),
    }
    decision = decide_without_key(
        call.identity.caller,
        Request(action, resource, context),
        identity=call.identity.policy,
        session=call.identity.session_policy,
    )
    refuse_unless_allowed(decision, call, action, resource)


def refuse_unless_allowed(decision: Decision, call: Call, action: str, resource: str) -> None:
    """Refuse in AWS's words: who, what, with what, and which kind of policy."""
    if decision is Decision.ALLOWED:
        return
    why = decision.value.format(action=action)
    raise access_denied(
        f"User: {call.identity.caller.arn} is not authorized to perform: {action} on resource: {resource} {why}"
    )
