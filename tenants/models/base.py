"""What the tables share: UUIDv7 ids, and a tenant that leads every key.

A foreign key between two tenant tables is a plain UUID column to Django (`db_constraint=False`); the migration adds the
real constraint over (tenant_id, id), because a key on the id alone would accept another tenant's row, silently:
PostgreSQL checks foreign keys without row-level security.
"""

from __future__ import annotations

import uuid

from django.db import models
from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A UUIDv7: unique without asking, and ordered by time, so that B-trees grow at one end."""
    return uuid7()


class TenantRow(models.Model):
    """A control-plane row of one tenant."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No index of its own: every index of these tables starts with the tenant anyway.
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        abstract = True

    @classmethod
    def own_id(cls, name: str) -> models.UniqueConstraint:
        """The target of composite foreign keys."""
        return models.UniqueConstraint(fields=["tenant", "id"], name=name)
