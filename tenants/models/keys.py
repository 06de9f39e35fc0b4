"""TenantKey (one multi-Region key), RegionalKey (its related key in one Region), PreviousKey (one that the tenant had
before), RegionRule (what a Region may do)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from tenants.models.base import TenantRow
from tenants.states import KeyRole, KeyTier


class TenantKey(TenantRow):
    """One multi-Region key: what all its related keys share. `key_id` is `mrk-` and 32 hex digits once KMS made it.

    `pool` is the tenant that owns a pooled key. `rotation_days` is the period of the automatic rotation, 0 for none;
    `key_material_id` the material that KMS encrypted with when it was last asked, and `on_demand_rotations` how many
    of the 25 had been used up then."""

    tier = models.CharField(max_length=12, choices=KeyTier.choices, default=KeyTier.DEDICATED)
    key_id = models.CharField(max_length=64, blank=True)
    primary_region = models.CharField(max_length=32)
    pool = models.ForeignKey(
        "tenants.Tenant",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    rotation_days = models.PositiveSmallIntegerField(default=365)
    key_material_id = models.CharField(max_length=64, blank=True)
    on_demand_rotations = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            TenantRow.own_id("tenant_key_own_id"),
            models.UniqueConstraint(fields=["tenant"], name="tenant_key_once"),
            models.CheckConstraint(
                condition=models.Q(tier__in=KeyTier.values), name="tenant_key_tier_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["pool"],
                condition=models.Q(pool__isnull=False),
                name="tenant_key_by_pool",
            ),
            models.Index(fields=["key_id"], name="tenant_key_by_key_id"),
        ]


class RegionalKey(TenantRow):
    """The primary or a replica of a tenant's key in one Region. Key policy, aliases, tags and enabled state are each
    Region's own in KMS, so they are rows here. Fingerprints are SHA-256 over the normalised key policy document.

    `drift` lists how KMS differed from what it should be when it was last compared, at `checked_at`."""

    tenant_key = models.ForeignKey(
        TenantKey, on_delete=models.PROTECT, related_name="regional_keys", db_constraint=False
    )
    region = models.CharField(max_length=32)
    role = models.CharField(max_length=8, choices=KeyRole.choices)
    arn = models.CharField(max_length=200, blank=True)
    key_state = models.CharField(max_length=32, blank=True)
    desired_fingerprint = models.CharField(max_length=64, blank=True)
    applied_fingerprint = models.CharField(max_length=64, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    drift = models.JSONField(default=list)
    deletion_date = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            TenantRow.own_id("regional_key_own_id"),
            models.UniqueConstraint(fields=["tenant", "region"], name="regional_key_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=KeyRole.values), name="regional_key_role_known"
            ),
        ]
        indexes = [
            models.Index(
                models.F("region"),
                models.F("checked_at").asc(nulls_first=True),
                name="regional_key_by_check",
            ),
            models.Index(fields=["arn"], name="regional_key_by_arn"),
        ]


class PreviousKey(TenantRow):
    """A key that the tenant had before: it only opens what is not re-encrypted yet. `arn` is that of its primary."""

    arn = models.CharField(max_length=200)
    tier = models.CharField(max_length=12, choices=KeyTier.choices)
    replaced_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            TenantRow.own_id("previous_key_own_id"),
            models.UniqueConstraint(fields=["tenant", "arn"], name="previous_key_once"),
            models.CheckConstraint(
                condition=models.Q(tier__in=KeyTier.values), name="previous_key_tier_known"
            ),
        ]
        indexes = [models.Index(fields=["arn"], name="previous_key_by_arn")]


class RegionRule(TenantRow):
    """What one Region may do with a tenant's key: encrypt, and decrypt which classifications (`*` for every one)."""

    region = models.CharField(max_length=32)
    may_encrypt = models.BooleanField(default=True)
    may_decrypt = ArrayField(models.CharField(max_length=40), default=list)

    class Meta:
        constraints = [
            TenantRow.own_id("region_rule_own_id"),
            models.UniqueConstraint(fields=["tenant", "region"], name="region_rule_once"),
        ]
