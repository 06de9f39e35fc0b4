"""Reads stored records with their sealed parts, one query whatever the number. All of it inside a scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from crypto.part import JsonValue
from tenants.models import Record
from tenants.schema.jsonb import from_jsonb
from tenants.scope import scope_alias


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One sealed part: `version` is the record's version when it was sealed."""

    classification: str
    version: int
    message: bytes


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it is stored: still sealed."""

    id: UUID
    record_id: str
    version: int
    clear: dict[str, JsonValue]
    created_at: datetime
    updated_at: datetime
    parts: tuple[StoredPart, ...]


# The parts come as arrays in the record's own row: a plain join would repeat the clear fields with each part.
_SELECT = """
    select r.id, r.record_id, r.version, r.clear::text, r.created_at, r.updated_at,
           p.classifications, p.versions, p.messages
    from tenants_record r
    left join lateral (
        select array_agg(s.classification::text) as classifications,
               array_agg(s.version) as versions, array_agg(s.message) as messages
        from tenants_sealedpart s
        where s.tenant_id = r.tenant_id and s.record = r.id
    ) p on true
    where r.tenant_id = %s and r.collection_id = %s
"""
_BY_ID = _SELECT + " and r.record_id = any(%s)"
_PAGE = _SELECT + " and r.record_id > %s order by r.record_id limit %s"
_FOUND_BY = """
    and r.id in (
        select e.record from tenants_blindindexentry e
        where e.tenant_id = %s and e.collection_id = %s and e.field = %s and e.token = %s
        order by e.record limit %s
    ) order by r.id
"""
_BY_TOKEN = _SELECT + _FOUND_BY


def fetch_records(
    tenant_id: UUID, collection_id: UUID, record_ids: Sequence[str]
) -> dict[str, StoredRecord]:
    """Those of the named records that there are, by their id."""
    found = _fetch(_BY_ID, [tenant_id, collection_id, list(record_ids)])
    return {record.record_id: record for record in found}


def fetch_page(tenant_id: UUID, collection_id: UUID, after: str, limit: int) -> list[StoredRecord]:
    """At most `limit` records with ids after `after`, in the order of ids."""
    return _fetch(_PAGE, [tenant_id, collection_id, after, limit])


def fetch_by_token(
    tenant_id: UUID, collection_id: UUID, field: str, token: bytes, limit: int
) -> list[StoredRecord]:
    """At most `limit` records whose search token of that field is this one, oldest first."""
    return _fetch(
        _BY_TOKEN, [tenant_id, collection_id, tenant_id, collection_id, field, token, limit]
    )


def record_exists(tenant_id: UUID, collection_id: UUID, record_id: str) -> bool:
    """Whether there is a record of this id."""
    return Record.objects.filter(
        tenant_id=tenant_id, collection_id=collection_id, record_id=record_id
    ).exists()


def _fetch(sql: str, parameters: list[Any]) -> list[StoredRecord]:
    with connections[scope_alias()].cursor() as cursor:
        cursor.execute(sql, parameters)
        return [_stored(row) for row in cursor.fetchall()]


def _stored(row: tuple[Any, ...]) -> StoredRecord:
    *columns, classifications, versions, messages = row
    row_id, record_id, version, clear, created_at, updated_at = columns
    parts = zip(classifications or (), versions or (), messages or (), strict=True)
    return StoredRecord(
        id=row_id,
        record_id=record_id,
        version=version,
        clear=from_jsonb(clear),
        created_at=created_at,
        updated_at=updated_at,
        parts=tuple(
            StoredPart(name, sealed_at, bytes(message)) for name, sealed_at, message in parts
        ),
    )
