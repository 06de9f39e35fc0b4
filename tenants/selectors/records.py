"""Reads stored records with their sealed parts, one query whatever the number. All of it inside a scope.

One answer takes so many bytes and no more: 500 records of a mebibyte each would be gigabytes in a process that serves
all tenants. The database counts, and leaves the content of the rest where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connections

from crypto.part import JsonValue
from tenants.models import Record
from tenants.schema.jsonb import from_jsonb
from tenants.scope import scope_alias

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
_RECORD_ID, _CLEAR = 1, 3  # columns


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One sealed part: `version` is the record's version when it was sealed."""

    classification: str
    version: int
    message: bytes


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as it is stored: still sealed. `bytes` is the size of its content."""

    id: UUID
    record_id: str
    version: int
    clear: dict[str, JsonValue]
    created_at: datetime
    updated_at: datetime
    bytes: int
    parts: tuple[StoredPart, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """Those records that fit into one answer, in the order of the query, and the ids of the others that are there."""

    records: list[StoredRecord]
    left_off: frozenset[str]


# The parts come as arrays in the record's own row: a plain join would repeat the clear fields with each part. A record
# fits while those before it are below the limit, so that the first one always does. `octet_length` reads no content of
# a message that is stored out of line.
_SELECT = """
    select a.id, a.record_id, a.version, case when a.fits then a.clear end, a.created_at, a.updated_at, a.bytes,
           p.classifications, p.versions, p.messages
    from (
        select r.*, octet_length(r.clear) + m.bytes as bytes,
               coalesce(sum(octet_length(r.clear) + m.bytes) over (
                   order by r.{order} rows between unbounded preceding and 1 preceding), 0) < %(most)s as fits
        from (
            select id, record_id, version, clear::text, created_at, updated_at from tenants_record
            where tenant_id = %(tenant)s and collection_id = %(collection)s and {which}
        ) r, lateral (
            select coalesce(sum(octet_length(s.message)), 0)::integer as bytes from tenants_sealedpart s
            where s.tenant_id = %(tenant)s and s.record = r.id
        ) m
    ) a
    left join lateral (
        select array_agg(s.classification::text) as classifications,
               array_agg(s.version) as versions, array_agg(s.message) as messages
        from tenants_sealedpart s
        where s.tenant_id = %(tenant)s and s.record = a.id and a.fits
    ) p on true
    order by a.{order}
"""
_BY_ID = _SELECT.format(order="record_id", which="record_id = any(%(ids)s)")
_PAGE = _SELECT.format(
    order="record_id", which="record_id > %(after)s order by record_id limit %(limit)s"
)
_FOUND_BY = """id in (
        select e.record from tenants_blindindexentry e
        where e.tenant_id = %(tenant)s and e.collection_id = %(collection)s
          and e.field = %(field)s and e.token = %(token)s
        order by e.record limit %(limit)s
    )
"""
_BY_TOKEN = _SELECT.format(order="id", which=_FOUND_BY)


def fetch_records(tenant_id: UUID, collection_id: UUID, record_ids: Sequence[str]) -> Fetched:
    """Those of the named records that there are."""
    return _fetch(_BY_ID, tenant_id, collection_id, ids=list(record_ids))


def fetch_page(tenant_id: UUID, collection_id: UUID, after: str, limit: int) -> Fetched:
    """At most `limit` records with ids after `after`, in the order of ids."""
    return _fetch(_PAGE, tenant_id, collection_id, after=after, limit=limit)


def fetch_by_token(
    tenant_id: UUID, collection_id: UUID, field: str, token: bytes, limit: int
) -> Fetched:
    """At most `limit` records whose search token of that field is this one, oldest first."""
    return _fetch(_BY_TOKEN, tenant_id, collection_id, field=field, token=token, limit=limit)


def record_exists(tenant_id: UUID, collection_id: UUID, record_id: str) -> bool:
    """Whether there is a record of this id."""
    return Record.objects.filter(
        tenant_id=tenant_id, collection_id=collection_id, record_id=record_id
    ).exists()


def _fetch(sql: str, tenant_id: UUID, collection_id: UUID, **parameters: Any) -> Fetched:
    parameters |= {"tenant": tenant_id, "collection": collection_id, "most": MAX_ANSWER_BYTES}
    with connections[scope_alias()].cursor() as cursor:
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
    fitting = [row for row in rows if row[_CLEAR] is not None]
    left_off = frozenset(row[_RECORD_ID] for row in rows if row[_CLEAR] is None)
    return Fetched([_stored(row) for row in fitting], left_off)


def _stored(row: tuple[Any, ...]) -> StoredRecord:
    *columns, classifications, versions, messages = row
    row_id, record_id, version, clear, created_at, updated_at, size = columns
    parts = zip(classifications or (), versions or (), messages or (), strict=True)
    return StoredRecord(
        id=row_id,
        record_id=record_id,
        version=version,
        clear=from_jsonb(clear),
        created_at=created_at,
        updated_at=updated_at,
        bytes=size,
        parts=tuple(
            StoredPart(name, sealed_at, bytes(message)) for name, sealed_at, message in parts
        ),
    )
