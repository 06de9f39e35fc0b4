"""A tenant's key in each Region, and what each Region may do with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenants.models import RegionalKey, RegionRule, TenantKey
from tenants.scope import tenant_scope
from tenants.states import KeyTier


@dataclass(frozen=True, slots=True)
class RuleView:
    """What one Region may do: encrypt, and decrypt which classifications (`*` for every one)."""

    region: str
    may_encrypt: bool
    may_decrypt: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegionalKeyView:
    """The primary or a replica in one Region. `policy_in_force` says that KMS holds the key policy that the rules ask
    for, as far as we last saw; of an external key, whose policy we may not read, that the last probes found so.
    `deletion_date` is when KMS deletes the key, in a Region that the tenant leaves."""

    region: str
    role: str
    arn: str
    key_state: str
    policy_in_force: bool
    verified_at: datetime | None
    applied_fingerprint: str
    desired_fingerprint: str
    deletion_date: datetime | None = None


def list_regional_keys(tenant_id: UUID) -> list[RegionalKeyView]:
    """The tenant's key in each of its Regions: the primary first, then by Region."""
    with tenant_scope(tenant_id, "read"):
        found = RegionalKey.objects.filter(tenant_id=tenant_id).select_related("tenant_key")
        keys = list(found.order_by("role", "region"))
    return [
        RegionalKeyView(
            region=key.region,
            role=key.role,
            arn=key.arn,
            key_state=key.key_state,
            policy_in_force=_is_in_force(key),
            verified_at=key.verified_at,
            applied_fingerprint=key.applied_fingerprint,
            desired_fingerprint=key.desired_fingerprint,
            deletion_date=key.deletion_date,
        )
        for key in keys
    ]


def _is_in_force(key: RegionalKey) -> bool:
    if key.tenant_key.tier == KeyTier.EXTERNAL:
        return key.verified_at is not None and not key.drift
    return key.desired_fingerprint == key.applied_fingerprint != ""


def list_region_rules(tenant_id: UUID) -> list[RuleView]:
    """The rule of each of the tenant's Regions, by Region."""
    with tenant_scope(tenant_id, "read"):
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
    return [RuleView(rule.region, rule.may_encrypt, tuple(rule.may_decrypt)) for rule in rules]


def get_key_id(tenant_id: UUID) -> str:
    """The id of the tenant's multi-Region key (`mrk-` and 32 hex digits), or "" before KMS has made it."""
    with tenant_scope(tenant_id, "read"):
        found = TenantKey.objects.filter(tenant_id=tenant_id).values_list("key_id", flat=True)
        return next(iter(found), "")
