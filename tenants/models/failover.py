"""WriterMove (a switchover or failover, with its report) and WriterCanary (what proves a new writer)."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from tenants.models.base import TenantRow, new_id


class WriterMove(models.Model):
    """The writer was moved. `report` is the signed document, which others can check without us.

    `kind` is `switchover` or `failover`; `outcome` is `done`, `unproven` or `failed`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=12)
    source = models.CharField(max_length=32)
    target = models.CharField(max_length=32)
    outcome = models.CharField(max_length=12)
    at = models.DateTimeField(default=timezone.now)
    report = models.JSONField()


class WriterCanary(TenantRow):
    """A random value, sealed under the tenant's key, that the last proof of a new writer wrote for this tenant.

    `digest` is the SHA-256 of the value in hex, empty where the Region that wrote it may not seal: then the message is
    an older canary's, and its row alone is what is proven."""

    move = models.UUIDField()
    region = models.CharField(max_length=32)
    classification = models.CharField(max_length=40)
    message = models.BinaryField()
    digest = models.CharField(max_length=64)
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            TenantRow.own_id("writer_canary_own_id"),
            models.UniqueConstraint(fields=["tenant"], name="writer_canary_once"),
        ]
