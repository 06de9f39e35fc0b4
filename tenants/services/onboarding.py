"""Onboarding: a tenant, its rules and the plan that makes its key in each of its Regions."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tenants.actor import Actor
from tenants.consistency import WRITER
from tenants.errors import InputInvalid, TenantExists
from tenants.key_policy import fingerprint
from tenants.models import RegionalKey, RegionRule, Tenant, TenantKey
from tenants.models.tenant import SLUG
from tenants.scope import fleet_scope
from tenants.selectors.tenants import TenantView, view_of
from tenants.services.audit import record_event
from tenants.services.plans import Step, write_plan
from tenants.services.policies import desired_policy
from tenants.services.rules import RegionRuleInput, rule_problems
from tenants.services.verification import verification_steps
from tenants.states import KeyRole, OperationKind, PlanKind

__all__ = ["RegionRuleInput", "start_onboarding"]

_NAME_LENGTH = 200


def start_onboarding(
    *, slug: str, name: str, home_region: str, rules: Sequence[RegionRuleInput], actor: Actor
) -> TenantView:
    """Make a tenant and plan its key: a primary in `home_region` and a replica in each other Region of `rules`.

    The same again returns the tenant, however far it is. Raises `InputInvalid` with every fault at once, and
    `TenantExists` when the slug is taken by a tenant of another name, home or rules.
    """
    name = name.strip()
    problems = _problems(slug, name, home_region, rules)
    if problems:
        raise InputInvalid("The tenant cannot be onboarded.", problems)
    with fleet_scope("write"):
        try:
            with transaction.atomic(using=WRITER):
                tenant = Tenant.objects.create(slug=slug, name=name, home_region=home_region)
        except IntegrityError:
            return _same(slug, name, home_region, rules)
        _write_keys(tenant, rules)
        record_event(
            tenant_id=tenant.id,
            actor=actor,
            action="tenant.onboarding_started",
            subject=slug,
            detail={"home_region": home_region, "regions": sorted(rule.region for rule in rules)},
        )
        write_plan(
            tenant_id=tenant.id,
            plan=PlanKind.ONBOARDING,
            steps=onboarding_steps(home=home_region, rules=rules),
        )
    return view_of(tenant)


def onboarding_steps(*, home: str, rules: Sequence[RegionRuleInput]) -> list[Step]:
    """The plan. Administration runs at home; each Region proves its key itself, with its own role."""
    regions = [home, *sorted(rule.region for rule in rules if rule.region != home)]
    return [
        Step(0, OperationKind.CREATE_PRIMARY_KEY, home, home),
        *(Step(1, OperationKind.REPLICATE_KEY, region, home) for region in regions[1:]),
        *(Step(2, OperationKind.AWAIT_ENABLED, region, home) for region in regions),
        *(Step(3, OperationKind.PUBLISH_KEY, region, home) for region in regions),
        *verification_steps(home=home, rules=rules, position=3),
        Step(5, OperationKind.ACTIVATE_TENANT, home, home),
    ]


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


def _same(slug: str, name: str, home: str, rules: Sequence[RegionRuleInput]) -> TenantView:
    """The tenant of this slug, where it is what was asked for."""
    tenant = Tenant.objects.get(slug=slug)
    asked = {(rule.region, rule.may_encrypt, *sorted(rule.may_decrypt)) for rule in rules}
    found = {
        (rule.region, rule.may_encrypt, *sorted(rule.may_decrypt))
        for rule in RegionRule.objects.filter(tenant_id=tenant.id)
    }
    if (tenant.name, tenant.home_region, found) != (name, home, asked):
        raise TenantExists("A tenant of this slug exists with another name, home Region or rules.")
    return view_of(tenant)


def _write_keys(tenant: Tenant, rules: Sequence[RegionRuleInput]) -> None:
    key = TenantKey.objects.create(tenant=tenant, primary_region=tenant.home_region)
    RegionRule.objects.bulk_create(
        RegionRule(
            tenant=tenant,
            region=rule.region,
            may_encrypt=rule.may_encrypt,
            may_decrypt=sorted(rule.may_decrypt),
        )
        for rule in rules
    )
    RegionalKey.objects.bulk_create(
        RegionalKey(
            tenant=tenant,
            tenant_key=key,
            region=rule.region,
            role=KeyRole.PRIMARY if rule.region == tenant.home_region else KeyRole.REPLICA,
            desired_fingerprint=_fingerprint(tenant.context_id, rule.region, rules),
        )
        for rule in rules
    )


def _fingerprint(tenant: str, region: str, rules: Sequence[RegionRuleInput]) -> str:
    return fingerprint(desired_policy(tenant=tenant, region=region, rules=rules))
