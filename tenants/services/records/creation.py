"""Creates records: checked and sealed first, then stored in one transaction, with an answer for each in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from crypto.errors import CryptoError
from tenants.errors import RecordExists, TenantError, ValueNotUnique, WriterMoved
from tenants.models.base import new_id
from tenants.scope import tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import StoredCollection
from tenants.services.collections import find_target
from tenants.services.records.limits import check_batch, check_new_id
from tenants.services.records.rows import (
    TAKEN,
    NewRecord,
    Place,
    insert_records,
    insert_tokens,
    put_parts,
    undo_records,
)
from tenants.services.records.views import RecordFault, RecordInput, RecordView
from tenants.services.regions import check_region
from tenants.services.sealing import Sealing
from tenants.states import ApiScope

_FIRST_VERSION = 1


@dataclass(frozen=True, slots=True)
class _Draft:
    """A record that is ready to be stored, and the answer for when it is."""

    row: NewRecord
    view: RecordView


def create_record(*, caller: Caller, collection: str, record: RecordInput) -> RecordView:
    """Create one record.

    Raises `InputInvalid`, `RecordExists`, `ValueNotUnique`, `RegionNotAllowed`, `CollectionNotFound`, `WriterMoved` and
    the errors of KMS; then nothing is stored, save that after `WriterMoved` it is unknown whether it was.
    """
    [result] = create_records(caller=caller, collection=collection, records=[record])
    if isinstance(result, RecordFault):
        raise result.error
    return result


def create_records(
    *, caller: Caller, collection: str, records: Sequence[RecordInput]
) -> list[RecordView | RecordFault]:
    """Create up to 500 records; the answers come in the order of the records.

    A record that is at fault does not keep the others from being stored. Of two in one batch with the same id or the
    same unique value, one is stored. The number of queries does not depend on the number of records.
    """
    caller.need(ApiScope.RECORDS_WRITE)
    caller.need_active()
    check_batch(len(records))
    check_region(caller, (), "encrypt")
    target = find_target(caller, collection)
    place = Place(caller.tenant_id, target.id, datetime.now(UTC))
    drafts = _prepare(Sealing(caller, target), target, place, records)
    faults = _store(place, [draft.row for draft in drafts if isinstance(draft, _Draft)])
    return [
        draft if isinstance(draft, RecordFault) else faults.get(draft.view.id, draft.view)
        for draft in drafts
    ]


def _prepare(
    sealing: Sealing, target: StoredCollection, place: Place, records: Sequence[RecordInput]
) -> list[_Draft | RecordFault]:
    """Check and seal each record; nothing is stored yet, and no transaction is open."""
    drafts: list[_Draft | RecordFault] = []
    seen: set[str] = set()
    for record in records:
        try:
            if record.id in seen:
                raise RecordExists("The batch has this id more than once.")
            draft = _draft(sealing, target, place, record)
            seen.add(draft.view.id)
            drafts.append(draft)
        except WriterMoved:
            raise  # no data key can be written down, so nothing of the batch could be stored
        except (TenantError, CryptoError) as error:
            drafts.append(RecordFault(error))
    return drafts


def _draft(sealing: Sealing, target: StoredCollection, place: Place, record: RecordInput) -> _Draft:
    row_id = new_id()
    record_id = str(row_id) if record.id is None else record.id
    check_new_id(record_id)
    checked = target.schema.check(record.fields)
    row = NewRecord(
        id=row_id,
        record_id=record_id,
        version=_FIRST_VERSION,
        clear=checked.clear,
        parts=sealing.seal(checked.sealed, record_id, _FIRST_VERSION),
        tokens=sealing.tokens(checked.terms),
    )
    shown = target.schema.present(checked.clear, checked.sealed)
    return _Draft(row, RecordView(record_id, _FIRST_VERSION, shown, place.at, place.at))


def _store(place: Place, rows: Sequence[NewRecord]) -> dict[str, RecordFault]:
    """Store the rows in one transaction; why some of them were not, by record id.

    The unique indexes decide, so that there is no moment between looking and storing: whoever comes second is told.
    """
    if not rows:
        return {}
    with tenant_scope(place.tenant_id, "write", forwards=True):
        new = insert_records(place, rows)
        clashing = insert_tokens(place, (row for row in rows if row.id in new))
        if clashing:
            undo_records(place, clashing)
        put_parts(place, (row for row in rows if row.id in new and row.id not in clashing))
    faults = {
        row.record_id: RecordFault(RecordExists("A record of this id is there already."))
        for row in rows
        if row.id not in new
    }
    for row in rows:
        if row.id in clashing:
            faults[row.record_id] = RecordFault(ValueNotUnique(TAKEN))
    return faults
