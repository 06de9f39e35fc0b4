"""Condition keys of a request, as policies see them.

Sources: AWS KMS Developer Guide, "Condition keys for AWS KMS"; IAM User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sandbox.kms.keys import KeySet, RegionalKey
from sandbox.kms.store import Store

Conditions = Mapping[str, tuple[str, ...]]

# Of calls about grants: a direct caller is no AWS service, and this stand-in never hears from one.
DIRECT: Conditions = {"kms:grantisforawsresource": ("false",)}


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


def bypass_condition(parameters: Mapping[str, Any]) -> Conditions:
    """`kms:BypassPolicyLockoutSafetyCheck`, which is absent where the request does not say."""
    name = "BypassPolicyLockoutSafetyCheck"
    return {f"kms:{name}".lower(): (str(parameters[name]).lower(),)} if name in parameters else {}


def spec_conditions(key_set: KeySet) -> dict[str, tuple[str, ...]]:
    """What kind of key it is; the older names of the same are still to be found in policies."""
    spec, usage = (key_set.spec_name,), (key_set.spec.usage,)
    return {
        "kms:keyspec": spec,
        "kms:customermasterkeyspec": spec,
        "kms:keyusage": usage,
        "kms:customermasterkeyusage": usage,
        "kms:keyorigin": (key_set.origin,),
        "kms:multiregion": (str(key_set.multi_region).lower(),),
    }


def key_conditions(store: Store, key: RegionalKey) -> dict[str, tuple[str, ...]]:
    """What the key that a request names is."""
    key_set = store.key_set(key)
    conditions = {**spec_conditions(key_set), "aws:resourceaccount": (key.account,)}
    if key_set.multi_region:
        kind = "PRIMARY" if key_set.primary_region == key.region else "REPLICA"
        conditions["kms:multiregionkeytype"] = (kind,)
    if aliases := store.aliases.of_key(key):
        conditions["kms:resourcealiases"] = tuple(alias.name for alias in aliases)
    for name, value in key.tags.items():
        conditions[f"aws:resourcetag/{name}".lower()] = (value,)
    return conditions


@lru_cache(maxsize=64)
def place_and_time(region: str, second: int) -> Conditions:
    """Where and when a request is made."""
    moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "aws:requestedregion": (region,),
        "aws:currenttime": (moment,),
        "aws:epochtime": (str(second),),
    }
