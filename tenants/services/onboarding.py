"""Onboarding: a tenant or a pool, its rules, and the plan that makes its key ready in each of its Regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tenants.actor import Actor
from tenants.consistency import WRITER
from tenants.errors import InputInvalid, TenantExists
from tenants.key_policy import Rule, fingerprint
from tenants.models import RegionRule, Tenant, TenantKey
from tenants.models.tenant import SLUG
from tenants.scope import fleet_scope
from tenants.selectors.tenants import TenantView, view_of
from tenants.services.audit import record_event
from tenants.services.key_choice import (
    Chosen,
    KeyInput,
    choose,
    key_problems,
    write_key,
    write_regional_keys,
)
from tenants.services.plans import Step, write_plan
from tenants.services.policies import desired_policy
from tenants.services.rules import RegionRuleInput, rule_problems
from tenants.services.verification import verification_steps
from tenants.states import KeyTier, OperationKind, PlanKind, TenantKind

__all__ = ["RegionRuleInput", "create_pool", "start_onboarding"]

DEDICATED: Final = KeyInput()

_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be made, free of faults as far as one can see without looking anything up."""

    kind: TenantKind
    slug: str
    name: str
    home: str
    rules: tuple[RegionRuleInput, ...]
    key: KeyInput


def start_onboarding(
    *,
    slug: str,
    name: str,
    home_region: str,
    rules: Sequence[RegionRuleInput],
    actor: Actor,
    key: KeyInput = DEDICATED,
) -> TenantView:
    """Make a tenant and plan its key: a primary in `home_region` and a replica in each other Region of `rules`, unless
    `key` names a pool's key or an external one.

    The same again returns the tenant, however far it is. Raises `InputInvalid` with every fault at once,
    `TenantExists` when the slug is taken by a tenant of another name, home, rules or key, and `ExternalKeyRefused`.
    """
    problems = [*key_problems(key, rules), *_problems(slug, name.strip(), home_region, rules)]
    if problems:
        raise InputInvalid("The tenant cannot be onboarded.", problems)
    asked = _Asked(TenantKind.CUSTOMER, slug, name.strip(), home_region, tuple(rules), key)
    return _start(asked, actor)


def create_pool(
    *, slug: str, name: str, home_region: str, rules: Sequence[RegionRuleInput], actor: Actor
) -> TenantView:
    """Make a pool and plan its key, as that of a tenant; tenants that share it follow its `rules`.

    The same again returns the pool. Raises `InputInvalid` and `TenantExists`.
    """
    problems = _problems(slug, name.strip(), home_region, rules)
    if problems:
        raise InputInvalid("The pool cannot be made.", problems)
    asked = _Asked(TenantKind.POOL, slug, name.strip(), home_region, tuple(rules), DEDICATED)
    return _start(asked, actor)


def onboarding_steps(
    *, home: str, rules: Sequence[RegionRuleInput], tier: KeyTier = KeyTier.DEDICATED
) -> list[Step]:
    """The plan. Administration runs at home; each Region proves its key itself, with its own role."""
    regions = [home, *sorted(rule.region for rule in rules if rule.region != home)]
    if tier == KeyTier.DEDICATED:
        return [
            Step(0, OperationKind.CREATE_PRIMARY_KEY, home, home),
            *(Step(1, OperationKind.REPLICATE_KEY, region, home) for region in regions[1:]),
            *(Step(2, OperationKind.AWAIT_ENABLED, region, home) for region in regions),
            *_last_steps(home, regions, rules, tier, 3),
        ]
    if tier == KeyTier.POOLED:
        return [
            Step(0, OperationKind.JOIN_POOL, home, home),
            *_last_steps(home, regions, rules, tier, 1),
        ]
    return _last_steps(home, regions, rules, tier, 0)


def _last_steps(
    home: str, regions: Sequence[str], rules: Sequence[Rule], tier: KeyTier, position: int
) -> list[Step]:
    """Publish and prove a key that is there, and let the tenant begin."""
    proof = verification_steps(home=home, rules=rules, position=position, tier=tier)
    last = max(step.position for step in proof)
    return [
        *(Step(position, OperationKind.PUBLISH_KEY, region, home) for region in regions),
        *proof,
        Step(last + 1, OperationKind.ACTIVATE_TENANT, home, home),
    ]


def _start(asked: _Asked, actor: Actor) -> TenantView:
    with fleet_scope("write"):
        if found := Tenant.objects.filter(slug=asked.slug).first():
            return _same(found, asked)
        chosen = choose(asked.key, asked.rules)
        tenant = Tenant(
            slug=asked.slug,
            name=asked.name,
            home_region=asked.home,
            kind=asked.kind,
            key_accounts=list(chosen.accounts),
            **({"id": chosen.tenant_id} if chosen.tenant_id else {}),
        )
        try:
            with transaction.atomic(using=WRITER):
                tenant.save(force_insert=True)
        except IntegrityError:
            # Somebody was quicker: with the same slug, or with the id that was given out.
            if found := Tenant.objects.filter(slug=asked.slug).first():
                return _same(found, asked)
            raise TenantExists("Another tenant has been onboarded under this id.") from None
        regional = write_key(tenant, chosen)
        write_regional_keys(regional, chosen, _fingerprints(tenant, chosen))
        record_event(
            tenant_id=tenant.id,
            actor=actor,
            action="tenant.onboarding_started",
            subject=asked.slug,
            detail={
                "home_region": asked.home,
                "regions": sorted(rule.region for rule in chosen.rules),
                "tier": chosen.tier,
                "kind": asked.kind,
            },
        )
        write_plan(
            tenant_id=tenant.id,
            plan=PlanKind.ONBOARDING,
            steps=onboarding_steps(home=asked.home, rules=chosen.rules, tier=chosen.tier),
        )
    return view_of(tenant)


def _problems(
    slug: str, name: str, home: str, rules: Sequence[RegionRuleInput]
) -> list[tuple[str, str]]:
    problems = []
    try:
        SLUG(slug)
    except ValidationError as error:
        problems += [("/slug", message) for message in error.messages]
    if not (0 < len(name) <= _NAME_LENGTH and name.isprintable()):
        problems.append(("/name", f"must be 1 to {_NAME_LENGTH} printable characters"))
    if home not in settings.GATEWAY_REGIONS:
        problems.append(("/home_region", f"must be one of {', '.join(settings.GATEWAY_REGIONS)}"))
    if not rules:
        problems.append(("/region_rules", "must name at least one Region"))
    elif home not in [rule.region for rule in rules]:
        problems.append(("/home_region", "must be among the Regions of the rules"))
    return problems + rule_problems(rules)


def _same(tenant: Tenant, asked: _Asked) -> TenantView:
    """The tenant of this slug, where it is what was asked for."""
    found = (tenant.kind, tenant.name, tenant.home_region)
    same = (
        found == (asked.kind, asked.name, asked.home)
        and _same_key(tenant, asked.key)
        and _same_rules(tenant, asked.rules, by_region=asked.key.tier == KeyTier.POOLED)
    )
    if not same:
        raise TenantExists(
            "A tenant of this slug exists with another name, home Region, rules or key."
        )
    return view_of(tenant)


def _same_key(tenant: Tenant, key: KeyInput) -> bool:
    held = TenantKey.objects.select_related("pool").get(tenant_id=tenant.id)
    if held.tier != key.tier or (held.pool.slug if held.pool else "") != key.pool:
        return False
    if key.external is None:
        return True
    same_id = key.external.tenant_id in (None, tenant.id)
    return same_id and key.external.arn.endswith(f":key/{held.key_id}")


def _same_rules(tenant: Tenant, rules: Sequence[RegionRuleInput], *, by_region: bool) -> bool:
    held = list(RegionRule.objects.filter(tenant_id=tenant.id))
    if by_region:
        return {rule.region for rule in rules} == {rule.region for rule in held}
    return {(rule.region, rule.may_encrypt, *sorted(rule.may_decrypt)) for rule in rules} == {
        (rule.region, rule.may_encrypt, *sorted(rule.may_decrypt)) for rule in held
    }


def _fingerprints(tenant: Tenant, chosen: Chosen) -> dict[str, str]:
    """Of the key policies that its own keys are to have; the others' are somebody else's."""
    if chosen.tier != KeyTier.DEDICATED:
        return {}
    return {
        rule.region: fingerprint(
            desired_policy(
                tenant=tenant.context_id,
                region=rule.region,
                rules=chosen.rules,
                denied=() if tenant.kind == TenantKind.POOL else None,
            )
        )
        for rule in chosen.rules
    }
