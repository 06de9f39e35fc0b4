"""What one Region should hold of a tenant's key, by our tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from crypto.arn import KeyArn
from tenants.key_policy import Document, fingerprint
from tenants.models import RegionalKey, RegionRule, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.selectors.keys import RuleView
from tenants.services.keys import owner_tags
from tenants.services.policies import desired_policy, pool_policy_of
from tenants.services.publication import alias_of, parameter_of
from tenants.states import KeyTier, TenantKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A tenant's key in one Region, as it should be. `regions` are all in which the key has a related key of ours;
    `rotation_days` is None for a replica, which has the rotation of its primary. `policy` is None for an external key:
    its policy is its owner's."""

    tenant_id: UUID
    region: str
    tier: KeyTier
    arn: KeyArn
    tenant: str
    slug: str
    is_pool: bool
    primary_region: str
    regions: tuple[str, ...]
    rules: tuple[RuleView, ...]
    policy: Document | None
    rotation_days: int | None

    @property
    def is_primary(self) -> bool:
        """Whether it is about the primary."""
        return self.region == self.primary_region

    @property
    def alias(self) -> str:
        """The alias that leads to the key."""
        return alias_of(self.slug)

    @property
    def parameter(self) -> str:
        """The parameter that holds its ARN."""
        return parameter_of(self.slug)

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags that say whose it is."""
        return owner_tags(slug=self.slug, tenant=self.tenant)


def read_expected(tenant_id: UUID, region: str) -> Expected | None:
    """As our tables have it now. None where nothing of the tenant's own is to be there: the tenant is not active, the
    key is not made yet, is a pool's (which is compared there), or is on its way out of the Region. Opens its scopes."""
    with tenant_scope(tenant_id, "latest"):
        tenant = Tenant.objects.get(id=tenant_id)
        key = TenantKey.objects.get(tenant_id=tenant_id)
        keys = list(RegionalKey.objects.filter(tenant_id=tenant_id).exclude(arn=""))
        rows = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
    own = next((one for one in keys if one.region == region), None)
    rules = tuple(RuleView(row.region, row.may_encrypt, tuple(row.may_decrypt)) for row in rows)
    if own is None or region not in {rule.region for rule in rules}:
        return None
    if not tenant.is_active or key.tier == KeyTier.POOLED:
        return None
    return Expected(
        tenant_id=tenant_id,
        region=region,
        tier=KeyTier(key.tier),
        arn=KeyArn.parse(own.arn),
        tenant=tenant.context_id,
        slug=tenant.slug,
        is_pool=tenant.kind == TenantKind.POOL,
        primary_region=key.primary_region,
        regions=tuple(sorted(one.region for one in keys)),
        rules=rules,
        policy=_policy(tenant, KeyTier(key.tier), region, rules),
        rotation_days=key.rotation_days if region == key.primary_region else None,
    )


def _policy(
    tenant: Tenant, tier: KeyTier, region: str, rules: tuple[RuleView, ...]
) -> Document | None:
    if tier == KeyTier.EXTERNAL:
        return None
    if tenant.kind == TenantKind.POOL:
        return pool_policy_of(tenant.id, region)
    return desired_policy(tenant=tenant.context_id, region=region, rules=rules)


def fingerprint_of(expected: Expected) -> str:
    """The fingerprint of the desired key policy, empty for an external key."""
    return fingerprint(expected.policy) if expected.policy else ""
