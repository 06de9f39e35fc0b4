"""AuditEvent: who did what, and when. The application role may insert and read, and nothing else."""

from __future__ import annotations

from django.db import models

from tenants.models.base import TenantRow


class AuditEvent(TenantRow):
    """One event. `detail` holds names and counts, never a value of a sealed field, a credential or a key."""

    at = models.DateTimeField()
    region = models.CharField(max_length=32)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64)
    action = models.CharField(max_length=64)
    subject = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [TenantRow.own_id("audit_event_own_id")]
        indexes = [models.Index(fields=["tenant", "-at"], name="audit_event_latest")]
