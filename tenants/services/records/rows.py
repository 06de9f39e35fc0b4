"""Writes the rows of records, parts and search tokens: one statement for any number of them, inside a write scope.

The rows of each statement come in an order that all writers share, so that two batches that meet wait for each other
in a line and never in a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError

from crypto.errors import KeyReplaced
from crypto.part import JsonValue
from tenants.schema.jsonb import to_jsonb
from tenants.selectors.records import StoredVersion
from tenants.services.sealing import NewPart, NewToken
from tenants.statements import run_statement

_OF_DATA_KEY: Final = "sealedpart_data_key_same_tenant"
TAKEN: Final = "Another record holds the same value in a field that must be unique."
_INSERT_RECORDS = """
    insert into tenants_record
        (tenant_id, id, collection_id, record_id, version, clear, created_at, updated_at)
    select %b, n.id, %b, n.record_id, 1, n.clear::jsonb, %b, %b
    from unnest(%b::uuid[], %b::text[], %b::text[]) as n (id, record_id, clear)
    on conflict (tenant_id, collection_id, record_id) do nothing
    returning id
"""
# Locked in the order of ids first: the update itself would take them in an order of its own.
_UPDATE_RECORDS = """
    with locked as materialized (
        select r.id from tenants_record r
        where r.tenant_id = %b and r.id = any(%b) order by r.record_id for update
    )
    update tenants_record r set version = r.version + 1, clear = n.clear::jsonb, updated_at = %b
    from locked l, unnest(%b::uuid[], %b::integer[], %b::text[]) as n (id, version, clear)
    where r.tenant_id = %b and r.id = l.id and n.id = l.id and r.version = n.version
    returning r.id
"""
_LOCK_RECORD = """
    select id, version, created_at from tenants_record
    where tenant_id = %b and collection_id = %b and record_id = %b for update
"""
_DELETE_RECORD = "delete from tenants_record where tenant_id = %b and id = %b returning id"
_UNDO_RECORDS = "delete from tenants_record where tenant_id = %b and id = any(%b) returning id"
# A conflict can only be another record's unique value: the rows of this record's fields are new or just deleted.
_INSERT_TOKENS = """
    insert into tenants_blindindexentry (tenant_id, record, field, collection_id, token, is_unique)
    select %b, n.record, n.field, %b, n.token, n.is_unique
    from unnest(%b::uuid[], %b::text[], %b::bytea[], %b::boolean[])
        as n (record, field, token, is_unique)
    on conflict do nothing
    returning record, field
"""
_DELETE_TOKENS = """
    delete from tenants_blindindexentry
    where tenant_id = %b and record = %b and field = any(%b) returning field
"""
_DELETE_ALL_TOKENS = """
    delete from tenants_blindindexentry where tenant_id = %b and record = any(%b)
    returning record, field, token, is_unique
"""
_PUT_PARTS = """
    insert into tenants_sealedpart
        (tenant_id, record, classification, version, message, data_key, sealed_at)
    select %b, n.record, n.classification, n.version, n.message, n.data_key, %b
    from unnest(%b::uuid[], %b::integer[], %b::text[], %b::bytea[], %b::uuid[])
        as n (record, version, classification, message, data_key)
    on conflict (tenant_id, record, classification) do update
        set version = excluded.version, message = excluded.message,
            data_key = excluded.data_key, sealed_at = excluded.sealed_at
    returning record
"""
_DELETE_PARTS = """
    delete from tenants_sealedpart
    where tenant_id = %b and record = %b and classification = any(%b) returning classification
"""
_DELETE_OLD_PARTS = """
    delete from tenants_sealedpart s using unnest(%b::uuid[], %b::integer[]) as n (record, version)
    where s.tenant_id = %b and s.record = n.record and s.version <> n.version
    returning s.classification
"""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record that is checked, sealed and ready to be stored, as this version of it."""

    id: UUID
    record_id: str
    version: int
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
    return {row_id for (row_id,) in run_statement(_INSERT_RECORDS, head + columns)}


def undo_records(place: Place, ids: Iterable[UUID]) -> None:
    """Take back rows of this transaction, with what belongs to them."""
    run_statement(_UNDO_RECORDS, [place.tenant_id, list(ids)])


def update_records(place: Place, records: Iterable[NewRecord]) -> set[UUID]:
    """Write the clear fields and the version of records, where they are in the version before; the ids of those."""
    rows = list(records)
    if not rows:
        return set()
    ids = [r.id for r in rows]
    columns = [ids, [r.version - 1 for r in rows], [to_jsonb(r.clear) for r in rows]]
    parameters = [place.tenant_id, ids, place.at, *columns, place.tenant_id]
    return {row_id for (row_id,) in run_statement(_UPDATE_RECORDS, parameters)}


def lock_record(tenant_id: UUID, collection_id: UUID, record_id: str) -> StoredVersion | None:
    """The record in its version, which nobody changes before this transaction ends."""
    rows = run_statement(_LOCK_RECORD, [tenant_id, collection_id, record_id])
    return StoredVersion(*rows[0]) if rows else None


def delete_record_row(tenant_id: UUID, record: UUID) -> None:
    """Delete the record with its parts and tokens."""
    run_statement(_DELETE_RECORD, [tenant_id, record])


def put_parts(place: Place, records: Iterable[NewRecord]) -> None:
    """Store the sealed parts of records, in the place of older ones."""
    rows = sorted(
        ((record, part) for record in records for part in record.parts),
        key=lambda row: (row[0].id, row[1].classification),
    )
    if rows:
        columns = [
            [record.id for record, _ in rows],
            [record.version for record, _ in rows],
            [part.classification for _, part in rows],
            [part.message for _, part in rows],
            [part.data_key_id for _, part in rows],
        ]
        with _data_keys_still_there():
            run_statement(_PUT_PARTS, [place.tenant_id, place.at, *columns])


@contextmanager
def _data_keys_still_there() -> Iterator[None]:
    """A data key goes with the key that wrapped it, when nothing is sealed under it any more. Who wants to store
    something under it after that knows the tenant from before: what is refused here, nobody could ever open."""
    try:
        yield
    except IntegrityError as error:
        if _OF_DATA_KEY not in str(error):
            raise
        raise KeyReplaced from error


def delete_old_parts(place: Place, records: Sequence[NewRecord]) -> None:
    """Delete the parts of these records that are of another version: their records have no such fields any more."""
    if records:
        columns = [[record.id for record in records], [record.version for record in records]]
        run_statement(_DELETE_OLD_PARTS, [*columns, place.tenant_id])


def delete_parts(place: Place, record: UUID, classifications: Sequence[str]) -> None:
    """Delete parts of one record that hold no field any more."""
    if classifications:
        run_statement(_DELETE_PARTS, [place.tenant_id, record, list(classifications)])


def insert_tokens(place: Place, records: Iterable[NewRecord]) -> set[UUID]:
    """Store search tokens; the records of which another record holds a unique value already."""
    rows = sorted(
        ((record.id, token) for record in records for token in record.tokens),
        key=lambda row: (row[1].field, row[1].token),
    )
    if not rows:
        return set()
    columns = [
        [record for record, _ in rows],
        [token.field for _, token in rows],
        [token.token for _, token in rows],
        [token.unique for _, token in rows],
    ]
    stored = set(run_statement(_INSERT_TOKENS, [place.tenant_id, place.collection_id, *columns]))
    return {record for record, token in rows if (record, token.field) not in stored}


def delete_tokens(place: Place, record: UUID, fields: Sequence[str]) -> None:
    """Delete the tokens of these fields of one record."""
    if fields:
        run_statement(_DELETE_TOKENS, [place.tenant_id, record, list(fields)])


def delete_all_tokens(place: Place, records: Collection[UUID]) -> dict[tuple[str, bytes], UUID]:
    """Delete all tokens of these records; which record has held which unique one until now."""
    if not records:
        return {}
    rows = run_statement(_DELETE_ALL_TOKENS, [place.tenant_id, list(records)])
    return {(name, token): record for record, name, token, is_unique in rows if is_unique}
