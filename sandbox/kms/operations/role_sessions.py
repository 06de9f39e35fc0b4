"""AssumeRole of STS: temporary credentials of a role, with session tags and a session policy.

Source: AWS STS API Reference, "AssumeRole"; IAM User Guide, "Pass session tags in AWS STS".
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sandbox.kms.accounts import Principal
from sandbox.kms.call import Call
from sandbox.kms.conditions import Conditions, place_and_time, tag_conditions
from sandbox.kms.errors import Refusal, access_denied, invalid
from sandbox.kms.policy.decision import Decision, Request, decide_on_key
from sandbox.kms.policy.document import MalformedPolicy, parse_identity_policy, parse_trust_policy
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.sessions import Session, new_access_key_id, new_secret, opened, sealed

_SHORTEST = 900
_USUAL = 3600
_CHAINED = 3600  # at most, for a role that was assumed by a role
_MAX_TAGS = 50


@operation("AssumeRole", service="sts")
def assume_role(service: Service, call: Call) -> Answer:
    """Credentials of a session of the role, if its trust policy and the caller's policies admit it."""
    wanted = call.parameters
    if call.identity.caller.kind == "Root":
        raise access_denied("Roles may not be assumed by root accounts.")
    role = service.directory.find(wanted["RoleArn"])
    inherited = _inherited(service, call)
    tags = {**inherited, **_tags(wanted)}
    conditions = _conditions(wanted, tags)
    _authorize(call, "sts:AssumeRole", wanted["RoleArn"], role, conditions)
    if role is None:
        raise RuntimeError("A role that does not exist was let in.")
    if tags:
        _authorize(call, "sts:TagSession", role.arn, role, conditions)
    policy = wanted.get("Policy", "")
    if policy:
        _check_policy(policy)
    seconds = _duration(call, role)
    session = Session(
        access_key=new_access_key_id("ASIA"),
        secret=new_secret(),
        role=role.arn,
        name=wanted["RoleSessionName"],
        tags=tags,
        transitive=tuple(dict.fromkeys([*inherited, *wanted.get("TransitiveTagKeys", [])])),
        policy=policy,
        expires_at=time.time() + seconds,  # credentials go by the real time
    )
    return {
        "Credentials": {
            "AccessKeyId": session.access_key,
            "SecretAccessKey": session.secret,
            "SessionToken": sealed(session, sealing_key=service.store.sealing_key),
            "Expiration": session.expires_at,
        },
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role.unique_id}:{session.name}",
            "Arn": f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session.name}",
        },
        "PackedPolicySize": min(100, len(policy) * 100 // 2048),
    }


def _authorize(
    call: Call, action: str, arn: str, role: Principal | None, conditions: Conditions
) -> None:
    """The trust policy is to a role what a key policy is to a key. A role that is absent is as one that refuses."""
    identity = call.identity
    if role is not None and role.trust:
        context = {**identity.context, **place_and_time(call.region, int(call.now)), **conditions}
        decision = decide_on_key(
            identity.caller,
            Request(action, role.arn, context),
            key_policy=parse_trust_policy(role.trust),
            key_account=role.account,
            identity=identity.policy,
            session=identity.session_policy,
        )
        if decision is Decision.ALLOWED:
            return
    raise access_denied(
        f"User: {identity.caller.arn} is not authorized to perform: {action} on resource: {arn}"
    )


def _conditions(wanted: dict[str, Any], tags: Mapping[str, str]) -> Conditions:
    found = {**tag_conditions(tags), "sts:rolesessionname": (wanted["RoleSessionName"],)}
    if "ExternalId" in wanted:
        found["sts:externalid"] = (wanted["ExternalId"],)
    if wanted.get("TransitiveTagKeys"):
        found["sts:transitivetagkeys"] = tuple(wanted["TransitiveTagKeys"])
    return found


def _tags(wanted: dict[str, Any]) -> dict[str, str]:
    tags = {item["Key"]: item["Value"] for item in wanted.get("Tags", [])}
    if len({key.lower() for key in tags}) != len(wanted.get("Tags", [])):
        raise invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if len(tags) > _MAX_TAGS or any(key.lower().startswith("aws:") for key in tags):
        raise invalid(f"A session has {_MAX_TAGS} tags at most, none of which begins with aws:.")
    missing = set(wanted.get("TransitiveTagKeys", [])) - tags.keys()
    if missing:
        raise invalid("The specified transitive tag key must be included in the requested tags.")
    return tags


def _inherited(service: Service, call: Call) -> dict[str, str]:
    """The transitive tags of the session that calls."""
    token = call.identity.session_token
    session = opened(token, sealing_key=service.store.sealing_key) if token else None
    if session is None:
        return {}
    return {key: value for key, value in session.tags.items() if key in session.transitive}


def _check_policy(policy: str) -> None:
    try:
        parse_identity_policy(policy)
    except MalformedPolicy as error:
        raise Refusal("MalformedPolicyDocument", f"The policy is malformed: {error}.") from error


def _duration(call: Call, role: Principal) -> int:
    seconds = int(call.parameters.get("DurationSeconds", _USUAL))
    longest = role.longest_session
    if call.identity.caller.kind == "AssumedRole":
        longest = min(longest, _CHAINED)
    if not _SHORTEST <= seconds <= longest:
        raise invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return seconds
