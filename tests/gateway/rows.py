"""What a tenant has in the database, as its superuser sees it."""

from __future__ import annotations

from typing import Any

from tests.callers import HasId, as_superuser
from tests.stack import Stack

TABLES = (
    "collection", "record", "sealedpart", "blindindexentry",
    "apikey", "member", "regionrule", "regionalkey", "keyoperation", "auditevent",
)  # fmt: skip


def rows_of(stack: Stack, tenant: HasId) -> dict[str, list[Any]]:
    """Each row of the tenant in each table, as JSON. Data keys are left out: one may be made before a write fails."""
    return {
        table: as_superuser(
            stack,
            f"select to_jsonb(t)::text from tenants_{table} t where tenant_id = %s order by 1",  # noqa: S608
            tenant.id,
        )
        for table in TABLES
    }
