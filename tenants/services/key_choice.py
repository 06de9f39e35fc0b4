"""Which key a new tenant gets: one of its own, its pool's, or one from its own AWS account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from crypto.arn import KeyArn
from tenants.errors import InputInvalid, NotFound
from tenants.models import RegionalKey, RegionRule, Tenant, TenantKey
from tenants.selectors.pools import find_pool, pool_rules
from tenants.services.external_keys import ExternalKeyInput, accept_key
from tenants.services.rules import RegionRuleInput
from tenants.states import KeyRole, KeyTier, TenantState


@dataclass(frozen=True, slots=True)
class KeyInput:
    """What was asked for: nothing more for a dedicated key, the slug of a `pool`, or an `external` key."""

    tier: KeyTier = KeyTier.DEDICATED
    pool: str = ""
    external: ExternalKeyInput | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What that comes to: the rules that will hold, and the key that is there already, if any."""

    tier: KeyTier
    rules: tuple[RegionRuleInput, ...]
    pool: Tenant | None = None
    arn: KeyArn | None = None
    accounts: tuple[str, ...] = ()
    tenant_id: UUID | None = None


def key_problems(key: KeyInput, rules: Sequence[RegionRuleInput]) -> Iterator[tuple[str, str]]:
    """What is wrong with the choice itself, as (place, rule) pairs."""
    if (key.tier == KeyTier.POOLED) != bool(key.pool):
        yield "/pool", "must name a pool, and only where the tier is pooled"
    if (key.tier == KeyTier.EXTERNAL) != (key.external is not None):
        yield "/external_key", "must name a key, and only where the tier is external"
    if key.tier == KeyTier.POOLED and any(
        rule != RegionRuleInput(region=rule.region) for rule in rules
    ):
        yield "/region_rules", "may name Regions only: what they may do, the pool's rules say"


def choose(key: KeyInput, rules: Sequence[RegionRuleInput]) -> Chosen:
    """Look up what the choice names, in the caller's fleet scope; in a write scope it stays as it is until that ends.

    Raises `InputInvalid` and `ExternalKeyRefused`.
    """
    if key.external:
        return Chosen(
            tier=key.tier,
            rules=tuple(rules),
            arn=accept_key(
                arn=key.external.arn,
                accounts=key.external.accounts,
                tenant_id=key.external.tenant_id,
            ),
            accounts=tuple(sorted(set(key.external.accounts))),
            tenant_id=key.external.tenant_id,
        )
    if key.pool:
        pool = _pool(key.pool)
        return Chosen(key.tier, tuple(_rules_of(pool, rules)), pool)
    return Chosen(key.tier, tuple(rules))


def write_key(tenant: Tenant, chosen: Chosen) -> TenantKey:
    """The tenant's key and its rules, in the caller's write scope; its Regions come with `write_regional_keys`."""
    key_id, primary = "", tenant.home_region
    if chosen.pool:
        shared = TenantKey.objects.get(tenant=chosen.pool)
        key_id, primary = shared.key_id, shared.primary_region
    if chosen.arn:
        key_id = chosen.arn.key_id
    RegionRule.objects.bulk_create(
        RegionRule(
            tenant=tenant,
            region=rule.region,
            may_encrypt=rule.may_encrypt,
            may_decrypt=sorted(rule.may_decrypt),
        )
        for rule in chosen.rules
    )
    return TenantKey.objects.create(
        tenant=tenant, tier=chosen.tier, pool=chosen.pool, key_id=key_id, primary_region=primary
    )


def write_regional_keys(key: TenantKey, chosen: Chosen, desired: dict[str, str]) -> None:
    """A row for each Region: without an ARN where a step of the plan brings it. `desired` holds the fingerprints of the
    key policies that the Regions' own keys are to have."""
    RegionalKey.objects.bulk_create(
        RegionalKey(
            tenant=key.tenant,
            tenant_key=key,
            region=rule.region,
            role=KeyRole.PRIMARY if rule.region == key.primary_region else KeyRole.REPLICA,
            arn=str(chosen.arn.in_region(rule.region)) if chosen.arn else "",
            desired_fingerprint=desired.get(rule.region, ""),
        )
        for rule in chosen.rules
    )


def _pool(slug: str) -> Tenant:
    try:
        pool = find_pool(slug, lock=True)
    except NotFound:
        raise _wrong("/pool", "must be the slug of a pool") from None
    if pool.state != TenantState.ACTIVE:
        raise _wrong("/pool", "must be a pool that is active")
    return pool


def _rules_of(pool: Tenant, rules: Sequence[RegionRuleInput]) -> Iterator[RegionRuleInput]:
    """The pool's rules for these Regions."""
    found = {rule.region: rule for rule in pool_rules(pool.id)}
    for number, rule in enumerate(rules):
        if rule.region not in found:
            raise _wrong(f"/region_rules/{number}/region", "must be a Region of the pool")
        its = found[rule.region]
        yield RegionRuleInput(its.region, its.may_encrypt, tuple(its.may_decrypt))


def _wrong(place: str, rule: str) -> InputInvalid:
    return InputInvalid("The tenant cannot be onboarded.", [(place, rule)])
