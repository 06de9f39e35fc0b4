"""Writes the rows of records, parts and search tokens: one statement for any number of them, inside a write scope.

The rows of each statement come in an order that all writers share, so that two batches that meet wait for each other
in a line and never in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from crypto.part import JsonValue
from tenants.schema.jsonb import to_jsonb
from tenants.scope import scope_alias
from tenants.services.sealing import NewPart, NewToken

_INSERT_RECORDS = """
    insert into tenants_record
        (tenant_id, id, collection_id, record_id, version, clear, created_at, updated_at)
    select %s, n.id, %s, n.record_id, 1, n.clear::jsonb, %s, %s
    from unnest(%s::uuid[], %s::text[], %s::text[]) as n (id, record_id, clear)
    on conflict (tenant_id, collection_id, record_id) do nothing
    returning id
"""
_UPDATE_RECORD = """
    update tenants_record set version = version + 1, clear = %s::jsonb, updated_at = %s
    where tenant_id = %s and id = %s and version = %s
    returning version
"""
_DELETE_RECORD = """
    delete from tenants_record
    where tenant_id = %s and collection_id = %s and record_id = %s
      and (%s::numeric is null or version = %s::numeric)
    returning id
"""
_UNDO_RECORDS = "delete from tenants_record where tenant_id = %s and id = any(%s) returning id"
# A conflict can only be another record's unique value: the rows of this record's fields are new or just deleted.
_INSERT_TOKENS = """
    insert into tenants_blindindexentry (tenant_id, record, field, collection_id, token, is_unique)
    select %s, n.record, n.field, %s, n.token, n.is_unique
    from unnest(%s::uuid[], %s::text[], %s::bytea[], %s::boolean[])
        as n (record, field, token, is_unique)
    on conflict do nothing
    returning record, field
"""
_DELETE_TOKENS = """
    delete from tenants_blindindexentry
    where tenant_id = %s and record = %s and field = any(%s) returning field
"""
_PUT_PARTS = """
    insert into tenants_sealedpart
        (tenant_id, record, classification, version, message, data_key, sealed_at)
    select %s, n.record, n.classification, %s, n.message, n.data_key, %s
    from unnest(%s::uuid[], %s::text[], %s::bytea[], %s::uuid[])
        as n (record, classification, message, data_key)
    on conflict (tenant_id, record, classification) do update
        set version = excluded.version, message = excluded.message,
            data_key = excluded.data_key, sealed_at = excluded.sealed_at
    returning record
"""
_DELETE_PARTS = """
    delete from tenants_sealedpart
    where tenant_id = %s and record = %s and classification = any(%s) returning classification
"""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record that is checked, sealed and ready to be stored."""

    id: UUID
    record_id: str
    clear: dict[str, JsonValue]
    parts: Sequence[NewPart]
    tokens: Sequence[NewToken]


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows go, and when."""

    tenant_id: UUID
    collection_id: UUID
    at: datetime


def insert_records(place: Place, records: Iterable[NewRecord]) -> set[UUID]:
    """Store the records' own rows; the ids of those that were not there yet."""
    rows = sorted(records, key=lambda record: record.record_id)
    columns = [[r.id for r in rows], [r.record_id for r in rows], [to_jsonb(r.clear) for r in rows]]
    head = [place.tenant_id, place.collection_id, place.at, place.at]
    return {row_id for (row_id,) in _run(_INSERT_RECORDS, head + columns)}


def undo_records(place: Place, ids: Iterable[UUID]) -> None:
    """Take back rows of this transaction, with what belongs to them."""
    _run(_UNDO_RECORDS, [place.tenant_id, list(ids)])


def update_record_row(
    place: Place, record: UUID, version: int, clear: dict[str, JsonValue]
) -> bool:
    """Write the clear fields and count the version, if it still is this one; whether it was."""
    parameters = [to_jsonb(clear), place.at, place.tenant_id, record, version]
    return bool(_run(_UPDATE_RECORD, parameters))


def delete_record_row(place: Place, record_id: str, version: int | None) -> bool:
    """Delete the record with its parts and tokens, if it has this version (None: any); whether it had."""
    parameters = [place.tenant_id, place.collection_id, record_id, version, version]
    return bool(_run(_DELETE_RECORD, parameters))


def put_parts(place: Place, version: int, parts: Iterable[tuple[UUID, NewPart]]) -> None:
    """Store the sealed parts of records, in the place of older ones."""
    rows = sorted(parts, key=lambda row: (row[0], row[1].classification))
    if rows:
        columns = [
            [record for record, _ in rows],
            [part.classification for _, part in rows],
            [part.message for _, part in rows],
            [part.data_key_id for _, part in rows],
        ]
        _run(_PUT_PARTS, [place.tenant_id, version, place.at, *columns])


def delete_parts(place: Place, record: UUID, classifications: Sequence[str]) -> None:
    """Delete parts of one record that hold no field any more."""
    if classifications:
        _run(_DELETE_PARTS, [place.tenant_id, record, list(classifications)])


def insert_tokens(place: Place, tokens: Iterable[tuple[UUID, NewToken]]) -> set[UUID]:
    """Store search tokens; the records of which another record holds a unique value already."""
    rows = sorted(tokens, key=lambda row: (row[1].field, row[1].token))
    if not rows:
        return set()
    columns = [
        [record for record, _ in rows],
        [token.field for _, token in rows],
        [token.token for _, token in rows],
        [token.unique for _, token in rows],
    ]
    stored = set(_run(_INSERT_TOKENS, [place.tenant_id, place.collection_id, *columns]))
    return {record for record, token in rows if (record, token.field) not in stored}


def delete_tokens(place: Place, record: UUID, fields: Sequence[str]) -> None:
    """Delete the tokens of these fields of one record."""
    if fields:
        _run(_DELETE_TOKENS, [place.tenant_id, record, list(fields)])


def _run(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections[scope_alias()].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
