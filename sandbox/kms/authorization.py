"""Whether the caller may: the condition keys of a request are put together here, and `policy.decision` decides.

Condition keys: AWS KMS Developer Guide, "Condition keys for AWS KMS"; IAM User Guide, "AWS global condition keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from sandbox.kms.call import Call
from sandbox.kms.errors import access_denied
from sandbox.kms.keys import Alias, RegionalKey
from sandbox.kms.policy.decision import Decision, Request, decide_on_key, decide_without_key
from sandbox.kms.policy.document import parse_key_policy
from sandbox.kms.policy.patterns import Context
from sandbox.kms.service import Service

Conditions = Mapping[str, tuple[str, ...]]


def authorize_key(
    service: Service,
    call: Call,
    action: str,
    key: RegionalKey,
    conditions: Conditions | None = None,
) -> None:
    """Refuse unless the caller may do `action` (`kms:Decrypt`) with the key."""
    context = {
        **call.identity.context,
        **_place_and_time(key.region, int(call.now)),
        **_key_conditions(service, key),
        **(conditions or {}),
    }
    _refuse_unless_allowed(
        decide_on_key(
            call.identity.caller,
            Request(action, key.arn, context),
            key_policy=parse_key_policy(key.policy),
            key_account=key.account,
            identity=call.identity.policy,
        ),
        call,
        action,
        key.arn,
    )


def authorize_alias(call: Call, action: str, alias: Alias) -> None:
    """Refuse unless the caller's identity policy admits `action` on the alias, which has no policy of its own."""
    _authorize_identity(call, action, alias.arn, alias.region)


def authorize_account(
    call: Call,
    action: str,
    conditions: Conditions | None = None,
    *,
    region: str = "",
) -> None:
    """Refuse unless the identity policy admits what concerns no key, such as kms:CreateKey, in that Region."""
    _authorize_identity(call, action, "*", region or call.region, conditions)


def encryption_conditions(context: Mapping[str, str]) -> Conditions:
    """`kms:EncryptionContext:<key>` and `kms:EncryptionContextKeys` of an encryption context.

    IAM compares names of condition keys without regard to case. Two context keys that differ in case alone thus share
    a name, and what a policy says of it cannot be decided: an Allow does not count, a Deny does.
    """
    conditions: dict[str, tuple[str, ...]] = {}
    for key, value in context.items():
        name = f"kms:encryptioncontext:{key}".lower()
        conditions[name] = (*conditions.get(name, ()), value)
    if context:
        conditions["kms:encryptioncontextkeys"] = tuple(context)
    return conditions


def tag_conditions(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """`aws:RequestTag/<key>` and `aws:TagKeys` of tags in a request."""
    conditions: dict[str, tuple[str, ...]] = {"aws:tagkeys": tuple(tags)} if tags else {}
    for key, value in tags.items():
        conditions[f"aws:requesttag/{key}".lower()] = (value,)
    return conditions


def _key_conditions(service: Service, key: RegionalKey) -> dict[str, tuple[str, ...]]:
    key_set = service.store.key_set(key)
    conditions: dict[str, tuple[str, ...]] = {
        "kms:keyspec": ("SYMMETRIC_DEFAULT",),
        "kms:keyusage": ("ENCRYPT_DECRYPT",),
        "kms:keyorigin": ("AWS_KMS",),
        "kms:multiregion": (str(key_set.multi_region).lower(),),
        "aws:resourceaccount": (key.account,),
    }
    if key_set.multi_region:
        kind = "PRIMARY" if key_set.primary_region == key.region else "REPLICA"
        conditions["kms:multiregionkeytype"] = (kind,)
    if aliases := service.store.aliases_of(key):
        conditions["kms:resourcealiases"] = tuple(alias.name for alias in aliases)
    for name, value in key.tags.items():
        conditions[f"aws:resourcetag/{name}".lower()] = (value,)
    return conditions


@lru_cache(maxsize=64)
def _place_and_time(region: str, second: int) -> Conditions:
    moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "aws:requestedregion": (region,),
        "aws:currenttime": (moment,),
        "aws:epochtime": (str(second),),
    }


def _authorize_identity(
    call: Call, action: str, resource: str, region: str, conditions: Conditions | None = None
) -> None:
    context: Context = {
        **call.identity.context,
        **_place_and_time(region, int(call.now)),
        **(conditions or {}),
    }
    decision = decide_without_key(
        call.identity.caller, Request(action, resource, context), identity=call.identity.policy
    )
    _refuse_unless_allowed(decision, call, action, resource)


def _refuse_unless_allowed(decision: Decision, call: Call, action: str, resource: str) -> None:
    if decision is Decision.ALLOWED:
        return
    why = decision.value.format(action=action)
    raise access_denied(
        f"User: {call.identity.caller.arn} is not authorized to perform: {action} on resource: {resource} {why}"
    )
