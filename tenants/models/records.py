"""Collection, Record, SealedPart, BlindIndexEntry: what tenants store.

The tenant leads every key of these tables, primary keys included, so they can be hash-partitioned by tenant.
"""

from __future__ import annotations

from django.db import models

from tenants.models.base import TenantRow, new_id


class Collection(TenantRow):
    """A named set of records with one schema (see `tenants/schema.py` for its form)."""

    name = models.CharField(max_length=64)
    schema = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            TenantRow.own_id("collection_own_id"),
            models.UniqueConstraint(fields=["tenant", "name"], name="collection_name_once"),
        ]


class Record(models.Model):
    """One record: the client's own id, a version that counts its writes, and its clear fields."""

    pk = models.CompositePrimaryKey("tenant_id", "id")
    id = models.UUIDField(default=new_id)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    collection_id = models.UUIDField()
    record_id = models.CharField(max_length=128)
    version = models.PositiveIntegerField(default=1)
    clear = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "collection_id", "record_id"], name="record_id_once"
            ),
        ]


class SealedPart(models.Model):
    """All sealed fields of one classification of one record: one standard AWS Encryption SDK message.

    `version` is the record's version when this part was sealed. It stands inside the authenticated plaintext too, so an
    old part that is put back into a newer row does not open."""

    pk = models.CompositePrimaryKey("tenant_id", "record", "classification")
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    record = models.UUIDField()
    classification = models.CharField(max_length=40)
    version = models.PositiveIntegerField()
    message = models.BinaryField()
    data_key = models.UUIDField()
    sealed_at = models.DateTimeField()

    class Meta:
        # With the record behind it: re-encryption walks the parts under one data key page by page.
        indexes = [
            models.Index(fields=["tenant", "data_key", "record"], name="sealed_part_of_data_key")
        ]


class BlindIndexEntry(models.Model):
    """The equality search token of one searchable sealed field of one record."""

    pk = models.CompositePrimaryKey("tenant_id", "record", "field")
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    record = models.UUIDField()
    collection_id = models.UUIDField()
    field = models.CharField(max_length=64)
    token = models.BinaryField(max_length=32)
    is_unique = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "collection_id", "field", "token"],
                condition=models.Q(is_unique=True),
                name="blind_index_unique_value",
            ),
        ]
        indexes = [
            # With the record behind it: search goes through the records of one token page by page.
            models.Index(
                fields=["tenant", "collection_id", "field", "token", "record"],
                name="blind_index_of_token",
            ),
        ]
