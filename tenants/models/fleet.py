"""What belongs to no tenant: the budget of calls to AWS, and keys in KMS that no tenant owns."""

from __future__ import annotations

from django.db import models

from tenants.models.base import new_id


class CallBudget(models.Model):
    """The quota of one API in one Region, shared by all workers. `next_at` is when the next call may be made."""

    pk = models.CompositePrimaryKey("region", "api")
    region = models.CharField(max_length=32)
    api = models.CharField(max_length=64)
    next_at = models.DateTimeField()


class OrphanKey(models.Model):
    """A key with our tag that is in no tenant's table: a killed CreateKey can leave one. `resolution` is empty while
    nobody has decided, then `adopted` or `scheduled`, or `gone` where it was ours after all or KMS has deleted it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    region = models.CharField(max_length=32)
    arn = models.CharField(max_length=200)
    key_state = models.CharField(max_length=32)
    tags = models.JSONField(default=dict)
    found_at = models.DateTimeField(auto_now_add=True)
    resolution = models.CharField(max_length=12, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["arn"], name="orphan_key_once")]
        indexes = [models.Index(fields=["resolution", "found_at"], name="orphan_key_open")]
