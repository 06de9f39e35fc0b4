"""Reads records: fetched in a read scope, opened after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crypto.errors import CryptoError
from tenants.errors import AnswerFull, InputInvalid, RecordNotFound, TenantError, WriterMoved
from tenants.scope import reads, tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import StoredCollection, load_collection
from tenants.selectors.records import (
    MAX_ANSWER_BYTES,
    Fetched,
    StoredRecord,
    fetch_page,
    fetch_records,
)
from tenants.services.records.limits import check_batch, check_limit, is_record_id
from tenants.services.records.views import RecordFault, RecordPage, RecordView
from tenants.services.regions import check_region
from tenants.services.sealing import Sealing
from tenants.states import ApiScope


def read_record(*, caller: Caller, collection: str, record_id: str) -> RecordView:
    """One record, with all its fields.

    Raises `RecordNotFound`, `CollectionNotFound`, `RegionNotAllowed` where this Region may not decrypt one of its
    classifications (never a part of a record alone), `DecryptionFailed` and the errors of KMS.
    """
    [result] = read_records(caller=caller, collection=collection, record_ids=[record_id])
    if isinstance(result, RecordFault):
        raise result.error
    return result


@reads
def read_records(
    *, caller: Caller, collection: str, record_ids: Sequence[str]
) -> list[RecordView | RecordFault]:
    """Up to 500 records, an answer for each in the order of the ids; `AnswerFull` for those beyond 8 MiB."""
    check_reader(caller)
    check_batch(len(record_ids))
    asked = [record_id for record_id in record_ids if is_record_id(record_id)]
    with tenant_scope(caller.tenant_id, "read"):
        target = load_collection(caller.tenant_id, collection)
        fetched = fetch_records(caller.tenant_id, target.id, asked)
    return list(_answers(Sealing(caller, target), target, fetched, record_ids))


@reads
def list_records(*, caller: Caller, collection: str, after: str | None, limit: int) -> RecordPage:
    """A page of 1 to 500 records in the order of their ids, of about 8 MiB at most. One that does not open fails it."""
    check_reader(caller)
    check_limit(limit)
    if after is not None and not is_record_id(after):
        raise InputInvalid("The page cannot begin there.", [("/after", "must be a record's id")])
    with tenant_scope(caller.tenant_id, "read"):
        target = load_collection(caller.tenant_id, collection)
        fetched = fetch_page(caller.tenant_id, target.id, after or "", limit + 1)
    sealing = Sealing(caller, target)
    records = [open_record(sealing, target, record) for record in fetched.records[:limit]]
    has_more = fetched.left_off or len(fetched.records) > limit
    return RecordPage(records, records[-1].id if has_more else None)


def check_reader(caller: Caller) -> None:
    """Raise unless this credential may read, and its tenant is served here."""
    caller.need(ApiScope.RECORDS_READ)
    caller.need_active()
    check_region(caller, (), "decrypt")


def open_record(sealing: Sealing, target: StoredCollection, record: StoredRecord) -> RecordView:
    """The record with its sealed fields opened; raises as `Sealing.open` does."""
    shown = target.schema.present(record.clear, sealing.open(record))
    return RecordView(record.record_id, record.version, shown, record.created_at, record.updated_at)


def _answers(
    sealing: Sealing, target: StoredCollection, fetched: Fetched, record_ids: Sequence[str]
) -> Iterator[RecordView | RecordFault]:
    """One answer an id. An id that is given twice counts twice: its record is answered twice."""
    found = {record.record_id: record for record in fetched.records}
    answered = 0
    for record_id in record_ids:
        record = found.get(record_id)
        if record_id in fetched.left_off or (record and answered >= MAX_ANSWER_BYTES):
            yield RecordFault(
                AnswerFull("The answer is full: ask for this one in another request.")
            )
        elif record is None:
            yield RecordFault(RecordNotFound("No such record."))
        else:
            answered += record.bytes
            yield _opened(sealing, target, record)


def _opened(
    sealing: Sealing, target: StoredCollection, record: StoredRecord
) -> RecordView | RecordFault:
    try:
        return open_record(sealing, target, record)
    except WriterMoved:
        raise  # the database is lost to all of them
    except (TenantError, CryptoError) as error:
        return RecordFault(error)
