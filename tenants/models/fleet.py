"""What belongs to no tenant: the budget of calls to AWS, keys in KMS that no tenant owns, and which writer it is."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

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


class WriterEpoch(models.Model):
    """One row: how many times the writer has moved. It is counted up on the new writer, so that whoever has seen the
    new one refuses an old writer that comes back and still takes writes.

    `beat_at` is set to the writer's time every few seconds: by it each Region knows how old what its reader shows is,
    a replication that stands still included."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.PositiveIntegerField(default=1)
    region = models.CharField(max_length=32, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    beat_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="writer_epoch_one_row"),
        ]


class RegionStatus(models.Model):
    """What a Region's worker last said of it: how many seconds its reader was behind, and when that was."""

    region = models.CharField(max_length=32, primary_key=True)
    behind_seconds = models.FloatField()
    measured_at = models.DateTimeField()
