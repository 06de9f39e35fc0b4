"""Adding a Region to a tenant: its rule, its replica key, and the proof that it works.

Until its key is proven the new Region answers that it is not ready, and no other Region counts on it. The others go on
as before: their key policies name the new Region's role only when its key is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from crypto.arn import KeyArn
from tenants.actor import Actor
from tenants.errors import Conflict, InputInvalid, RegionLeaving
from tenants.models import KeyOperation, RegionalKey, RegionRule, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event
from tenants.services.key_ownership import rule_to_have, settled_key
from tenants.services.plans import Step, locked_tenant, need_no_other_plan, write_plan
from tenants.services.policies import desire_policies
from tenants.services.rule_owners import following_steps
from tenants.services.rules import RegionRuleInput, rule_problems
from tenants.services.verification import verification_steps
from tenants.states import KeyRole, KeyTier, OperationKind, OperationState, PlanKind

# Plans are about one Region, which the first step of one of these kinds names; other steps are about other Regions.
_SUBJECTS: Final = {
    PlanKind.REGION_ADDED: OperationKind.PUBLISH_KEY,
    PlanKind.REGION_REMOVED: OperationKind.FORGET_REGION,
    PlanKind.PROMOTION: OperationKind.UPDATE_PRIMARY_REGION,
}


def start_region_addition(*, tenant_id: UUID, rule: RegionRuleInput, actor: Actor) -> UUID | None:
    """Plan the tenant's key in the Region of `rule`; returns the id of the plan.

    A dedicated key gets a replica. A tenant of a pool uses the pool's key there, under the pool's rule; an external key
    must have been replicated by its owner, and is probed. The same again returns the plan that is under way, and
    None once the key stands there proven. Raises `InputInvalid`, `NotFound`, `TenantNotActive`, `PlanUnderWay`,
    `PreviousKeyInUse`, `RegionLeaving` while the Region's key waits for its deletion, and `Conflict` where the tenant
    has the Region with another rule: change that instead.
    """
    rule = rule_to_have(tenant_id, replace(rule, may_decrypt=tuple(sorted(rule.may_decrypt))))
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id)
        key = settled_key(tenant)
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        regional = RegionalKey.objects.filter(tenant_id=tenant_id, region=rule.region).first()
        known = next((one for one in rules if one.region == rule.region), None)
        if known is not None:
            if (known.may_encrypt, tuple(known.may_decrypt)) != (
                rule.may_encrypt,
                rule.may_decrypt,
            ):
                raise Conflict("The tenant has that Region with another rule: change the rule.")
            if regional and regional.arn and regional.verified_at:
                return None
            if under_way := find_plan(tenant_id, PlanKind.REGION_ADDED, rule.region):
                return under_way
        elif regional is not None:
            raise RegionLeaving(f"The tenant is leaving {rule.region}: cancel that.")
        need_no_other_plan(tenant_id)
        if known is None:
            problems = rule_problems([*rules, rule])
            if problems:
                raise InputInvalid("The Region cannot be added.", problems)
            rules.append(_write_rule(tenant_id, rule))
        had_key = regional is not None and bool(regional.arn)
        if regional is None:
            _write_key(key, rule.region)
        if key.tier == KeyTier.DEDICATED:
            desire_policies(tenant, rules)
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="region.addition_started",
            subject=rule.region,
            detail={"may_encrypt": rule.may_encrypt, "may_decrypt": list(rule.may_decrypt)},
        )
        make_steps = return_steps if had_key else addition_steps
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.REGION_ADDED,
            steps=make_steps(tenant, rule.region, rules, KeyTier(key.tier)),
        )


def addition_steps(
    tenant: Tenant,
    region: str,
    rules: Sequence[RegionRule],
    tier: KeyTier = KeyTier.DEDICATED,
) -> list[Step]:
    """The plan. The primary's policy comes first: it says into which Regions the key may be replicated."""
    home = tenant.home_region
    if tier != KeyTier.DEDICATED:
        pooled = tier == KeyTier.POOLED
        return [
            *([Step(0, OperationKind.JOIN_POOL, home, home)] if pooled else []),
            Step(1, OperationKind.PUBLISH_KEY, region, home),
            *verification_steps(home=home, rules=rules, position=2, tier=tier),
        ]
    others = [rule.region for rule in rules if rule.region not in (home, region)]
    return [
        Step(0, OperationKind.APPLY_KEY_POLICY, home, home),
        Step(1, OperationKind.REPLICATE_KEY, region, home),
        Step(2, OperationKind.AWAIT_ENABLED, region, home),
        Step(3, OperationKind.PUBLISH_KEY, region, home),
        *(Step(3, OperationKind.APPLY_KEY_POLICY, other, home) for other in others),
        *verification_steps(home=home, rules=rules, position=4),
        *following_steps(tenant, 6),
    ]


def return_steps(
    tenant: Tenant,
    region: str,
    rules: Sequence[RegionRule],
    tier: KeyTier = KeyTier.DEDICATED,
) -> list[Step]:
    """The plan for a Region that had a key: it waits for its deletion, is disabled, or is gone already, and made anew.

    A key that is there gets its policy before it is enabled: rules may have changed while it waited.
    """
    if tier != KeyTier.DEDICATED:
        return addition_steps(tenant, region, rules, tier)
    home = tenant.home_region
    others = [rule.region for rule in rules if rule.region not in (home, region)]
    return [
        Step(0, OperationKind.APPLY_KEY_POLICY, home, home),
        Step(1, OperationKind.REPLICATE_KEY, region, home),
        Step(2, OperationKind.CANCEL_DELETION, region, home),
        Step(3, OperationKind.APPLY_KEY_POLICY, region, home),
        Step(4, OperationKind.ENABLE_KEY, region, home),
        Step(5, OperationKind.AWAIT_ENABLED, region, home),
        Step(6, OperationKind.PUBLISH_KEY, region, home),
        *(Step(6, OperationKind.APPLY_KEY_POLICY, other, home) for other in others),
        *verification_steps(home=home, rules=rules, position=7),
        *following_steps(tenant, 9),
    ]


def find_plan(tenant_id: UUID, plan: PlanKind, region: str) -> UUID | None:
    """The newest plan of this kind that is about the Region and is not finished, in the caller's scope."""
    rows = KeyOperation.objects.filter(tenant_id=tenant_id, plan=plan)
    unfinished = rows.exclude(state__in=[OperationState.DONE, OperationState.CANCELLED])
    steps = rows.filter(kind=_SUBJECTS[plan], region=region)
    about = steps.filter(plan_id__in=unfinished.values("plan_id"))
    return about.order_by("-plan_id").values_list("plan_id", flat=True).first()


def _write_rule(tenant_id: UUID, rule: RegionRuleInput) -> RegionRule:
    return RegionRule.objects.create(
        tenant_id=tenant_id,
        region=rule.region,
        may_encrypt=rule.may_encrypt,
        may_decrypt=list(rule.may_decrypt),
    )


def _write_key(key: TenantKey, region: str) -> None:
    """The row of the Region. The ARN of an external key is known: its owner has replicated it, or the probe says so."""
    arn = ""
    if key.tier == KeyTier.EXTERNAL:
        known = RegionalKey.objects.filter(tenant_id=key.tenant_id).exclude(arn="")
        arn = str(KeyArn.parse(known[0].arn).in_region(region))
    RegionalKey.objects.create(
        tenant_id=key.tenant_id, tenant_key=key, region=region, role=KeyRole.REPLICA, arn=arn
    )
