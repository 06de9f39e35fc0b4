"""Offboarding: the end of a tenant, which two people must want."""

from __future__ import annotations

from django.db import models

from tenants.models.base import TenantRow
from tenants.states import OffboardingState


class Offboarding(TenantRow):
    """One request to end a tenant and destroy its key. At most one is open at a time.

    `requested_by` and `approved_by` name two different actors (`member:<id>`, `operator:<id>`). `export_digest` is the
    SHA-256 of the export that was taken before, or empty with `export_waived`. `certificate` is the signed document
    that says what was destroyed, once it was."""

    state = models.CharField(
        max_length=10, choices=OffboardingState.choices, default=OffboardingState.REQUESTED
    )
    reason = models.CharField(max_length=500, blank=True)
    waiting_days = models.PositiveSmallIntegerField()
    requested_by = models.CharField(max_length=100)
    requested_at = models.DateTimeField(auto_now_add=True)
    approved_by = models.CharField(max_length=100, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    export_digest = models.CharField(max_length=64, blank=True)
    export_waived = models.BooleanField(default=False)
    plan_id = models.UUIDField(null=True, blank=True)
    certificate = models.JSONField(default=dict)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            TenantRow.own_id("offboarding_own_id"),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(
                    state__in=[OffboardingState.REQUESTED, OffboardingState.APPROVED]
                ),
                name="offboarding_one_open",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=OffboardingState.values),
                name="offboarding_state_known",
            ),
        ]
