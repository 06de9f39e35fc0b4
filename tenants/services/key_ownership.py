"""Whose key it is, as far as its Regions go."""

from __future__ import annotations

from uuid import UUID

from tenants.errors import InputInvalid, KeyShared, PreviousKeyInUse
from tenants.models import PreviousKey, RegionRule, Tenant, TenantKey
from tenants.scope import fleet_scope
from tenants.selectors.pools import pool_rules
from tenants.services.rule_owners import own_rules
from tenants.services.rules import RegionRuleInput
from tenants.states import KeyTier


def settled_key(tenant: Tenant) -> TenantKey:
    """The tenant's key, whoever owns it, while the tenant is not moving to another; in the caller's write scope.

    Raises `PlanUnderWay` while it is, and `PreviousKeyInUse`: a key from before stands in the Regions of its own time.
    """
    key = TenantKey.objects.get(tenant_id=tenant.id)
    if key.tier != KeyTier.POOLED:
        own_rules(tenant)
    elif PreviousKey.objects.filter(tenant_id=tenant.id).exists():
        raise PreviousKeyInUse("A key that the tenant had before still opens some of its data.")
    return key


def own_key(tenant: Tenant) -> TenantKey:
    """The same, where the key is the tenant's own and ours to administer. Raises `KeyShared` for any other."""
    key = settled_key(tenant)
    if key.tier == KeyTier.POOLED:
        raise KeyShared("The key is a pool's: what is done to it is done to the pool.")
    if key.tier == KeyTier.EXTERNAL:
        raise KeyShared("The key is in the tenant's own AWS account: only its owner can do that.")
    return key


def rule_to_have(tenant_id: UUID, rule: RegionRuleInput) -> RegionRuleInput:
    """The rule that the Region will have: what is asked for, or for a tenant of a pool the pool's. Opens its own scope.

    Raises `InputInvalid` where the pool has no such Region, or something else than its rule is asked for.
    """
    with fleet_scope("latest"):
        key = TenantKey.objects.filter(tenant_id=tenant_id).first()
        if key is None or key.pool_id is None:
            return rule
        found: RegionRule | None = pool_rules(key.pool_id).filter(region=rule.region).first()
    if found is None:
        raise _wrong("/region", "must be a Region of the tenant's pool")
    its = RegionRuleInput(found.region, found.may_encrypt, tuple(sorted(found.may_decrypt)))
    if rule not in (its, RegionRuleInput(region=rule.region)):
        raise _wrong("", "may name the Region only: what it may do, the pool's rules say")
    return its


def _wrong(place: str, rule: str) -> InputInvalid:
    return InputInvalid("The Region cannot be added.", [(place, rule)])
