"""Switching a tenant's keys off and on again in one Region, each key that is the tenant's alone.

A key before (`PreviousKey`) still opens what is not re-encrypted, so it is switched with the current one. A pool's key
serves others too: its key policy denies this one tenant instead. An external key is the tenant's own to switch.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar, Final, cast

from crypto.arn import KeyArn
from crypto.errors import KeyAccessDenied, KeyNotFound, KeyUnusable
from crypto.part import JsonValue
from tenants.models import PreviousKey, RegionalKey, TenantKey
from tenants.scope import fleet_scope, tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.call_budget import await_turn
from tenants.services.claims import note
from tenants.services.clients import get_key_admin
from tenants.services.deletion import PENDING, find_key
from tenants.services.pool_denial import enforce_denials
from tenants.services.work import NotYet, Result, Work
from tenants.states import KeyTier, TenantKind

SETTLED_AT: Final = "settled_at"
"""Argument of a step: until then something that was under way when the tenant was revoked may still reach KMS."""
_CHANGING: Final = ("Creating", "Updating")


class DisableKey:
    """Stop every use of the tenant's keys in one Region."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, KeyAccessDenied)

    def perform(self, work: Work) -> Result:
        """Disable each, unless it cannot be used already. `NotYet` while KMS is making or changing one."""
        denied = deny_or_allow(work)
        keys = [_disabled(work, arn) for arn in keys_in_region(work)]
        if not all(key["key_state"] for key in keys) and seconds_to_settle(work):
            raise NotYet(seconds_to_settle(work))
        facts: Result = {"keys": [*keys], "denied": [*denied]}
        if keys or denied:  # else an external key: only the gateways refuse
            facts["disabled_at"] = work.found.get("disable_called_at") or _now()
        return facts

    def record(self, work: Work, result: Result) -> None:
        """Which keys, and in which state they are."""
        record_states(work, result)
        _tell(work, "key.disabled", result)


class EnableKey:
    """Let the tenant's keys in one Region be used again."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, KeyAccessDenied)

    def perform(self, work: Work) -> Result:
        """Enable each that is Disabled. Raises `KeyUnusable` where one waits for its deletion, and `KeyNotFound`."""
        allowed = deny_or_allow(work)
        keys = [_enabled(work, arn) for arn in keys_in_region(work)]
        return {"keys": [*keys], "allowed": [*allowed]}

    def record(self, work: Work, result: Result) -> None:
        """Which keys, and in which state they are."""
        record_states(work, result)
        _tell(work, "key.enabled", result)


def keys_in_region(work: Work) -> list[KeyArn]:
    """The keys in the Region of the step that are this tenant's alone and ours to administer, the current one first.

    A replica may be there before a step has come to write it down: its ARN is that of the primary in its Region.
    """
    if "arn" in work.arguments:
        return [KeyArn.parse(str(work.arguments["arn"]))]
    known = work.arns.get(work.region) or work.arns.get(work.primary_region)
    current = [known] if known and work.tier == KeyTier.DEDICATED else []
    before = [KeyArn.parse(arn) for arn in dedicated_before(work)]
    return [arn.in_region(work.region) for arn in (*current, *before)]


def dedicated_before(work: Work) -> list[str]:
    """The ARNs of keys that the tenant had before and that were its own."""
    return [arn for arn, tier in _before(work) if tier == KeyTier.DEDICATED]


def deny_or_allow(work: Work) -> list[str]:
    """Put in force, in this Region, the policies of the pools whose key opens the tenant's data: they deny the revoked.

    Returns their fingerprints.
    """
    pooled = [KeyArn.parse(arn).key_id for arn, tier in _before(work) if tier == KeyTier.POOLED]
    pools = [work.pool_id] if work.shares_key else []
    if pooled:
        with fleet_scope("latest"):
            owners = TenantKey.objects.filter(tenant__kind=TenantKind.POOL, key_id__in=pooled)
            pools += owners.order_by("tenant_id").values_list("tenant_id", flat=True)
    return [enforce_denials(pool, work.region) for pool in dict.fromkeys(pools) if pool]


def _before(work: Work) -> list[tuple[str, str]]:
    """ARN and tier of each key that the tenant had before, the latest first."""
    if not work.previous:
        return []
    with tenant_scope(work.tenant_id, "latest"):
        rows = PreviousKey.objects.filter(tenant_id=work.tenant_id).order_by("-replaced_at")
        return list(rows.values_list("arn", "tier"))


def seconds_to_settle(work: Work) -> float:
    """How long a call to KMS that was under way when the step was planned may still have to arrive."""
    until = work.arguments.get(SETTLED_AT)
    if not until:
        return 0.0
    return max(0.0, (datetime.fromisoformat(str(until)) - datetime.now(UTC)).total_seconds())


def switch_off(work: Work, arn: KeyArn) -> None:
    """DisableKey, by whoever still holds the claim."""
    await_turn(arn.region, "DisableKey")
    note(work, disable_called_at=_now())
    get_key_admin().disable_key(arn)


def record_states(work: Work, result: Result) -> None:
    """In the rows of the Region, where they are about one of these keys."""
    rows = RegionalKey.objects.filter(tenant_id=work.tenant_id, region=work.region)
    for key in cast("list[dict[str, str]]", result["keys"]):
        rows.filter(arn=key["arn"]).update(key_state=key["key_state"])


def _disabled(work: Work, arn: KeyArn) -> dict[str, JsonValue]:
    key = find_key(work, arn)
    if key is None:
        return _key(arn, "")
    if key.state in _CHANGING:
        raise NotYet(2)
    if key.state != "Enabled":
        return _key(arn, key.state)
    switch_off(work, arn)
    return _key(arn, "Disabled")


def _enabled(work: Work, arn: KeyArn) -> dict[str, JsonValue]:
    state = get_key_admin().describe_key(arn).state
    if state in PENDING:
        raise KeyUnusable(f"The key in {arn.region} is {state}: its deletion must be cancelled.")
    if state != "Disabled":
        return _key(arn, state)
    note(
        work, enable_called_at=_now()
    )  # not by whoever lost the claim: the tenant may be revoked anew
    get_key_admin().enable_key(arn)
    return _key(arn, "Enabled")


def _key(arn: KeyArn, state: str) -> dict[str, JsonValue]:
    return {"arn": str(arn), "key_state": state}


def _tell(work: Work, action: str, result: Result) -> None:
    record_event(
        tenant_id=work.tenant_id,
        actor=this_worker(),
        action=action,
        subject=work.region,
        detail={"region": work.region, "keys": result["keys"], "plan": str(work.plan_id)},
    )


def _now() -> str:
    return datetime.now(UTC).isoformat()
