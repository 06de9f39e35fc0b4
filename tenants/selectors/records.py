"""Reads stored records with their sealed parts, one query whatever the number. All of it inside a scope.

One answer takes so many bytes and no more: 500 records of a mebibyte each would be gigabytes in a process that serves
all tenants. The database counts, and leaves the content of the rest where it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from crypto.part import JsonValue
from tenants.schema.jsonb import from_jsonb
from tenants.statements import run_statement

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
_RECORD_ID, _CLEAR = 1, 3  # columns


class StoredPart(NamedTuple):
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
class StoredVersion:
    """Which row a record is, and in what version."""

    id: UUID
    version: int
    created_at: datetime


class ToChange(NamedTuple):
    """A record with some of its parts, and the bytes of fields in parts that the change does not touch."""

    record: StoredRecord
    beside: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Those records that fit into one answer, in the order of the query, and the ids of the others that are there."""

    records: list[StoredRecord]
    left_off: frozenset[str]


# Filled in with how records are found, and in what order they come. The parts come as arrays in the record's own row: a
# plain join would repeat the clear fields with each part. A record fits while those before it are below the limit, so
# that the first one always does. `octet_length` reads no content of a message that is stored out of line.
SELECT_RECORDS = """
    select a.id, a.record_id, a.version, case when a.fits then a.clear end, a.created_at, a.updated_at, a.bytes,
           p.classifications, p.versions, p.messages
    from (
        select r.*, octet_length(r.clear) + m.bytes as bytes,
               coalesce(sum(octet_length(r.clear) + m.bytes) over (
                   order by r.{order} rows between unbounded preceding and 1 preceding), 0) < %(most)b::bigint as fits
        from (
            select id, record_id, version, clear::text, created_at, updated_at from tenants_record
            where tenant_id = %(tenant)b and collection_id = %(collection)b and {which}
        ) r, lateral (
            select coalesce(sum(octet_length(s.message)), 0)::integer as bytes from tenants_sealedpart s
            where s.tenant_id = %(tenant)b and s.record = r.id
        ) m
    ) a
    left join lateral (
        select array_agg(s.classification::text) as classifications,
               array_agg(s.version) as versions, array_agg(s.message) as messages
        from tenants_sealedpart s
        where s.tenant_id = %(tenant)b and s.record = a.id and a.fits
    ) p on true
    order by a.{order}
"""
_BY_ID = SELECT_RECORDS.format(order="record_id", which="record_id = any(%(ids)b::text[])")
_PAGE = SELECT_RECORDS.format(
    order="record_id",
    which="record_id > %(after)b::text order by record_id limit %(limit)b::bigint",
)
_TO_CHANGE = """
    select r.id, r.record_id, r.version, r.clear::text, r.created_at, r.updated_at, 0,
           p.classifications, p.versions, p.messages, p.beside
    from tenants_record r, lateral (
        select array_agg(s.classification) filter (where s.is_opened) as classifications,
               array_agg(s.version) filter (where s.is_opened) as versions,
               array_agg(s.message) filter (where s.is_opened) as messages,
               coalesce(sum(greatest(octet_length(s.message) - %(overhead)b::integer, 0))
                   filter (where s.classification <> all(%(touched)b::text[])), 0)::integer as beside
        from (
            select classification::text, version, message, classification = any(%(opened)b::text[]) as is_opened
            from tenants_sealedpart where tenant_id = %(tenant)b and record = r.id
        ) s
    ) p
    where r.tenant_id = %(tenant)b and r.collection_id = %(collection)b and r.record_id = %(id)b::text
"""
# What a message has beside its fields: header, tags, and the record that it is bound to. At most, so that a record that
# was let in stays small enough.
_OVERHEAD = 1024
_VERSIONS = """
    select record_id, id, version, created_at from tenants_record
    where tenant_id = %(tenant)b and collection_id = %(collection)b and record_id = any(%(ids)b::text[])
"""


def fetch_records(tenant_id: UUID, collection_id: UUID, record_ids: Sequence[str]) -> Fetched:
    """Those of the named records that there are."""
    return _fetch(_BY_ID, tenant_id, collection_id, ids=list(record_ids))


def fetch_page(tenant_id: UUID, collection_id: UUID, after: str, limit: int) -> Fetched:
    """At most `limit` records with ids after `after`, in the order of ids."""
    return _fetch(_PAGE, tenant_id, collection_id, after=after, limit=limit)


def fetch_to_change(
    tenant_id: UUID,
    collection_id: UUID,
    record_id: str,
    *,
    opened: Collection[str],
    touched: Collection[str],
) -> ToChange | None:
    """One record with its parts of the classifications to be opened alone."""
    where = _where(tenant_id, collection_id) | {"id": record_id, "overhead": _OVERHEAD}
    rows = run_statement(_TO_CHANGE, where | {"opened": list(opened), "touched": list(touched)})
    return ToChange(_stored(rows[0][:-1]), rows[0][-1]) if rows else None


def fetch_versions(
    tenant_id: UUID, collection_id: UUID, record_ids: Sequence[str]
) -> dict[str, StoredVersion]:
    """The versions of those of the named records that there are."""
    rows = run_statement(_VERSIONS, _where(tenant_id, collection_id) | {"ids": list(record_ids)})
    return {record_id: StoredVersion(*columns) for record_id, *columns in rows}


def stored_record(row: tuple[Any, ...]) -> StoredRecord | None:
    """The record of one row of `SELECT_RECORDS`; None where it did not fit into the answer."""
    return None if row[_CLEAR] is None else _stored(row)


def _fetch(sql: str, tenant_id: UUID, collection_id: UUID, **parameters: Any) -> Fetched:
    where = _where(tenant_id, collection_id)
    rows = run_statement(sql, where | parameters | {"most": MAX_ANSWER_BYTES})
    fitting = [record for row in rows if (record := stored_record(row))]
    left_off = frozenset(row[_RECORD_ID] for row in rows if row[_CLEAR] is None)
    return Fetched(fitting, left_off)


def _where(tenant_id: UUID, collection_id: UUID) -> dict[str, Any]:
    return {"tenant": tenant_id, "collection": collection_id}


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
        parts=tuple(StoredPart(name, sealed_at, message) for name, sealed_at, message in parts),
    )
