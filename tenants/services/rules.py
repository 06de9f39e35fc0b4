"""Region rules: what each Region may do with a tenant's key, and how a change takes effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import F

from tenants.actor import Actor
from tenants.errors import InputInvalid, NotFound
from tenants.key_policy import EVERY_CLASS, render
from tenants.models import RegionRule, Tenant
from tenants.scope import tenant_scope
from tenants.selectors.keys import RuleView
from tenants.services.audit import record_event
from tenants.services.plans import locked_tenant, need_no_other_plan, write_plan
from tenants.services.policies import desire_policies, desired_policy
from tenants.services.revocation import lock_plans
from tenants.services.rollout import rollout_steps, supersede_rollouts
from tenants.services.rule_owners import own_rules
from tenants.states import KeyTier, PlanKind

_CLASSIFICATION = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MOST_CLASSES = 16  # as many as a schema may have
# Plans during which rules may change. A change of rules takes over from one before it.
_BESIDES = (
    *(PlanKind.RULE_CHANGE, PlanKind.VERIFICATION, PlanKind.REPAIR),
    *(PlanKind.ROTATION, PlanKind.REENCRYPTION, PlanKind.PROMOTION),
)
_LARGEST_POLICY = 32_768  # bytes; AWS KMS Developer Guide, "Resource quotas"


@dataclass(frozen=True, slots=True)
class RegionRuleInput:
    """The rule of one Region: `("*",)` decrypts every classification, `()` none."""

    region: str
    may_encrypt: bool = True
    may_decrypt: tuple[str, ...] = (EVERY_CLASS,)


def change_region_rule(*, tenant_id: UUID, rule: RegionRuleInput, actor: Actor) -> UUID:
    """Put another rule in force and return the id of the plan that carries it to KMS.

    The gateways obey it as soon as the row reaches their Region, caches included, since the key epoch goes up with
    it. The key policies follow as `rollout` says: first in the Region concerned, and once it has proven itself, in the
    others; a pool's tenants follow it. A change that is still on its way is taken over by this one. Raises
    `InputInvalid`, `NotFound` when the tenant has no key in that Region, `TenantNotActive`, `PlanUnderWay` while its
    Regions change, and what `own_rules` raises.
    """
    with tenant_scope(tenant_id, "write"):
        lock_plans(tenant_id)
        tenant = locked_tenant(tenant_id)
        tier = own_rules(tenant)
        need_no_other_plan(tenant_id, besides=_BESIDES)
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        row = next((row for row in rules if row.region == rule.region), None)
        if row is None:
            raise NotFound("The tenant has no key in that Region.")
        before = RuleView(row.region, row.may_encrypt, tuple(row.may_decrypt))
        row.may_encrypt, row.may_decrypt = rule.may_encrypt, sorted(rule.may_decrypt)
        problems = [*_problems(rule)] or rule_problems(rules)
        if problems:
            raise InputInvalid("The rule cannot be put in force.", problems)
        row.save(update_fields=["may_encrypt", "may_decrypt"])
        unproven = supersede_rollouts(tenant_id)
        known = [one for one in unproven if one.region == rule.region]
        previous = [*unproven, *([] if known else [before])]
        if tier == KeyTier.DEDICATED:
            desire_policies(tenant, rules)
        Tenant.objects.filter(id=tenant_id).update(key_epoch=F("key_epoch") + 1)
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="rule.changed",
            subject=rule.region,
            detail={"may_encrypt": row.may_encrypt, "may_decrypt": row.may_decrypt},
        )
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.RULE_CHANGE,
            steps=rollout_steps(
                tenant=tenant,
                tier=tier,
                concerned=rule.region,
                rules=rules,
                previous=previous,
            ),
        )


def rule_problems(rules: Sequence[RegionRuleInput | RegionRule]) -> list[tuple[str, str]]:
    """What is wrong with the rules of a tenant, as (place, rule) pairs."""
    problems = [
        (f"/region_rules/{number}{place}", text)
        for number, rule in enumerate(rules)
        for place, text in _problems(rule)
    ]
    regions = [rule.region for rule in rules]
    problems += [
        (f"/region_rules/{number}/region", "must be named once")
        for number, region in enumerate(regions)
        if region in regions[:number]
    ]
    if rules and not any(rule.may_encrypt for rule in rules):
        problems.append(("/region_rules", "must let at least one Region encrypt"))
    if not problems and not all(_fits(region, rules) for region in regions):
        problems.append(
            ("/region_rules", "name more classifications than a key policy has room for")
        )
    return problems


def _fits(region: str, rules: Sequence[RegionRuleInput | RegionRule]) -> bool:
    policy = desired_policy(tenant="0" * 32, region=region, rules=rules)
    return len(render(policy)) <= _LARGEST_POLICY


def _problems(rule: RegionRuleInput | RegionRule) -> Iterator[tuple[str, str]]:
    if rule.region not in settings.GATEWAY_REGIONS:
        yield "/region", f"must be one of {', '.join(settings.GATEWAY_REGIONS)}"
    names = list(rule.may_decrypt)
    if names == [EVERY_CLASS]:
        return
    if len(names) > _MOST_CLASSES or len(set(names)) != len(names):
        yield "/may_decrypt", f"must be at most {_MOST_CLASSES} different classifications"
    if not all(_CLASSIFICATION.fullmatch(name) for name in names):
        yield (
            "/may_decrypt",
            "must be * alone, or classifications of 1 to 40 lower-case letters, digits and hyphens",
        )
