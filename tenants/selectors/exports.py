"""Exports: which state of a tenant's records one has seen, and whether that still is the state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connections

from tenants.models import AuditEvent
from tenants.scope import scope_alias, tenant_scope

EXPORTED: Final = "records.exported"
# Counting a large tenant's rows takes longer than a request may.
_PATIENCE: Final = "select set_config('statement_timeout', '10min', true)"
# Each write counts a version up or adds or deletes a record, and moves the time of the last one.
_MARK: Final = """
    select count(*), coalesce(sum(version), 0), coalesce(max(updated_at)::text, '')
    from tenants_record where tenant_id = %s
"""


@dataclass(frozen=True, slots=True)
class RecordsMark:
    """Changes with every write of a record: how many there are, the sum of their versions, and the last write."""

    records: int
    versions: int
    last_write: str

    def as_list(self) -> list[Any]:
        """For JSON."""
        return [self.records, self.versions, self.last_write]


@dataclass(frozen=True, slots=True)
class ExportView:
    """An export that was taken: its SHA-256, how many records it holds, and when it was finished."""

    digest: str
    records: int
    at: datetime


def get_records_mark(tenant_id: UUID) -> RecordsMark:
    """The mark of this moment, from the writer. Reads all of the tenant's records."""
    with tenant_scope(tenant_id, "latest"), connections[scope_alias()].cursor() as cursor:
        cursor.execute(_PATIENCE)
        cursor.execute(_MARK, [tenant_id])
        count, versions, last_write = cursor.fetchone()
    return RecordsMark(int(count), int(versions), str(last_write))


def find_export(tenant_id: UUID, mark: RecordsMark) -> ExportView | None:
    """The newest export, if it has seen this state of the records; in the caller's scope."""
    newest = (
        AuditEvent.objects.filter(tenant_id=tenant_id, action=EXPORTED, detail__whole=True)
        .order_by("-at")
        .first()
    )
    if newest is None or newest.detail["mark"] != mark.as_list():
        return None
    return ExportView(newest.detail["sha256"], newest.detail["records"], newest.at)
