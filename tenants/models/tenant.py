"""Tenant: a customer of the SaaS company."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models

from tenants.models.base import new_id
from tenants.states import TenantKind, TenantState

SLUG = RegexValidator(
    r"^[a-z][a-z0-9-]{1,38}[a-z0-9]\Z",
    "Lower-case letters, digits and hyphens, 3 to 40 characters.",
)


class Tenant(models.Model):
    """One customer, or a pool that owns the key of several.

    `key_epoch` is read with the credential on every request: a change empties this tenant's cache of data keys in that
    process, so a revocation travels with the data and needs no other channel. `key_accounts` are the AWS accounts whose
    keys the operator accepts as this tenant's external key."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=40, unique=True, validators=[SLUG])
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=TenantKind.choices, default=TenantKind.CUSTOMER)
    state = models.CharField(
        max_length=20, choices=TenantState.choices, default=TenantState.ONBOARDING
    )
    home_region = models.CharField(max_length=32)
    key_accounts = ArrayField(models.CharField(max_length=12), default=list, blank=True)
    key_epoch = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=TenantState.values), name="tenant_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=TenantKind.values), name="tenant_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def is_active(self) -> bool:
        """Whether requests are served at all."""
        return self.state == TenantState.ACTIVE

    @property
    def context_id(self) -> str:
        """The opaque tenant id of the encryption context: it shows in CloudTrail, so it names nobody."""
        return uuid.UUID(str(self.id)).hex
