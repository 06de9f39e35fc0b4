"""Puts records: whole ones, created or in the place of those that are there, with an answer for each in order.

Nothing is opened, so that a Region that may only encrypt can put records. Each part names the version that it is sealed
for, so the versions are looked up first; whoever was quicker since is found out by the write itself, which then begins
anew for those records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from crypto.errors import CryptoError
from crypto.part import JsonValue
from tenants.errors import InputInvalid, TenantError, ValueNotUnique, VersionConflict, WriterMoved
from tenants.models.base import new_id
from tenants.schema import CheckedFields
from tenants.scope import Mode, tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import StoredCollection
from tenants.selectors.records import StoredVersion, fetch_versions
from tenants.services.collections import find_target
from tenants.services.records.expectation import ANYTHING, Expectation
from tenants.services.records.limits import check_batch, check_new_id
from tenants.services.records.rows import (
    TAKEN,
    NewRecord,
    Place,
    delete_all_tokens,
    delete_old_parts,
    insert_records,
    insert_tokens,
    put_parts,
    update_records,
)
from tenants.services.records.views import RecordFault, RecordPut, RecordView
from tenants.services.regions import check_region
from tenants.services.sealing import NewToken, Sealing
from tenants.states import ApiScope

# This Region's reader first, since nothing is faster; then what is committed, until nobody was quicker than we.
_ATTEMPTS: Final[tuple[Mode, ...]] = ("read", "latest", "latest", "latest")
Results = dict[str, RecordView | RecordFault]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A record that fits its schema, with its search tokens."""

    id: str
    checked: CheckedFields
    tokens: list[NewToken]
    expected: Expectation


class _Clash(Exception):
    """Unique values of these records are taken: the transaction is taken back, and begun again without them."""

    def __init__(self, records: set[UUID]) -> None:
        super().__init__()
        self.records = records


def put_record(
    *,
    caller: Caller,
    collection: str,
    record_id: str,
    fields: Mapping[str, JsonValue],
    expected: Expectation = ANYTHING,
) -> RecordView:
    """Create the record, or put this one in its place; version 1 says that it is new.

    The same again gives the same content in another version. Raises `VersionConflict` where the record is not what was
    expected or changes faster than we can, and what creating raises save `RecordExists`.
    """
    put = RecordPut(record_id, fields, expected)
    [result] = put_records(caller=caller, collection=collection, records=[put])
    if isinstance(result, RecordFault):
        raise result.error
    return result


def put_records(
    *, caller: Caller, collection: str, records: Sequence[RecordPut]
) -> list[RecordView | RecordFault]:
    """Put up to 500 records; the answers come in the order of the records.

    A record that is at fault does not keep the others from being stored. An id stands once in a batch. The number of
    queries does not depend on the number of records.
    """
    caller.need(ApiScope.RECORDS_WRITE)
    caller.need_active()
    check_batch(len(records))
    check_region(caller, (), "encrypt")
    target = find_target(caller, collection)
    sealing = Sealing(caller, target)
    drafts = _prepare(sealing, target, records)
    results: Results = {}
    for mode in _ATTEMPTS:
        left = [d for d in drafts if isinstance(d, _Draft) and d.id not in results]
        if left:
            results |= _Attempt(sealing, target, caller.tenant_id, mode).put(left)
    late = RecordFault(VersionConflict("The record keeps changing; try again."))
    return [d if isinstance(d, RecordFault) else results.get(d.id, late) for d in drafts]


def _prepare(
    sealing: Sealing, target: StoredCollection, records: Sequence[RecordPut]
) -> list[_Draft | RecordFault]:
    drafts: list[_Draft | RecordFault] = []
    seen: set[str] = set()
    for record in records:
        try:
            check_new_id(record.id)
            if record.id in seen:
                raise InputInvalid(
                    "The batch has this id more than once.", [("/id", "must be given once")]
                )
            checked = target.schema.check(record.fields)
            tokens = sealing.tokens(checked.terms)
            seen.add(record.id)
            drafts.append(_Draft(record.id, checked, tokens, record.expected))
        except (TenantError, CryptoError) as error:
            drafts.append(RecordFault(error))
    return drafts


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try to put all drafts as the records are now. Those that have changed meanwhile are in no result."""

    sealing: Sealing
    target: StoredCollection
    tenant_id: UUID
    mode: Mode

    def put(self, drafts: Sequence[_Draft]) -> Results:
        results: Results = {}
        with tenant_scope(self.tenant_id, self.mode):
            found = fetch_versions(self.tenant_id, self.target.id, [draft.id for draft in drafts])
        place = Place(self.tenant_id, self.target.id, datetime.now(UTC))
        rows: dict[UUID, NewRecord] = {}
        views: dict[UUID, RecordView] = {}
        for draft in drafts:
            try:
                draft.expected.check(found.get(draft.id))
                row = self._row(draft, found.get(draft.id))
                rows[row.id] = row
                views[row.id] = self._view(draft, row, found.get(draft.id), place)
            except VersionConflict as conflict:
                if self.mode == "latest":  # else the local reader may be behind
                    results[draft.id] = RecordFault(conflict)
            except WriterMoved:
                raise  # no data key can be written down, so nothing of the batch could be stored
            except (TenantError, CryptoError) as error:
                results[draft.id] = RecordFault(error)
        stored, clashing = _store(place, rows)
        results |= {views[row].id: views[row] for row in stored}
        return results | {views[row].id: RecordFault(ValueNotUnique(TAKEN)) for row in clashing}

    def _row(self, draft: _Draft, found: StoredVersion | None) -> NewRecord:
        version = found.version + 1 if found else 1
        return NewRecord(
            id=found.id if found else new_id(),
            record_id=draft.id,
            version=version,
            clear=draft.checked.clear,
            parts=self.sealing.seal(draft.checked.sealed, draft.id, version),
            tokens=draft.tokens,
        )

    def _view(
        self, draft: _Draft, row: NewRecord, found: StoredVersion | None, place: Place
    ) -> RecordView:
        shown = self.target.schema.present(draft.checked.clear, draft.checked.sealed)
        created_at = found.created_at if found else place.at
        return RecordView(draft.id, row.version, shown, created_at, place.at)


def _store(place: Place, rows: Mapping[UUID, NewRecord]) -> tuple[set[UUID], set[UUID]]:
    """Which rows are stored, and of which a unique value is taken. The others have changed meanwhile."""
    left, clashing = dict(rows), set[UUID]()
    # Once, and once more without those that clash. Only others that write the same values at this very moment can
    # make it more.
    for _ in range(3):
        if not left:
            break
        try:
            return _write(place, list(left.values())), clashing
        except _Clash as clash:
            clashing |= clash.records
            left = {row_id: row for row_id, row in left.items() if row_id not in clashing}
    return set(), clashing


def _write(place: Place, rows: Sequence[NewRecord]) -> set[UUID]:
    """One transaction. Raises `_Clash`, which takes all of it back."""
    with tenant_scope(place.tenant_id, "write", forwards=True):
        made = insert_records(place, (row for row in rows if row.version == 1))
        kept = update_records(place, (row for row in rows if row.version > 1))
        stored = [row for row in rows if row.id in made or row.id in kept]
        held = delete_all_tokens(place, kept)
        if clashing := insert_tokens(place, stored):
            raise _Clash(_with_followers(clashing, held, stored))
        put_parts(place, stored)
        delete_old_parts(place, [row for row in stored if row.id in kept])
    return made | kept


def _with_followers(
    clashing: Iterable[UUID], held: Mapping[tuple[str, bytes], UUID], rows: Iterable[NewRecord]
) -> set[UUID]:
    """Those records, and the ones that take a value which one of those now keeps, and so on."""
    takers: dict[UUID, list[UUID]] = {}
    for row in rows:
        for token in row.tokens:
            holder = held.get((token.field, token.token))
            if holder not in (None, row.id):
                takers.setdefault(holder, []).append(row.id)
    lost: set[UUID] = set()
    pending = list(clashing)
    while pending:
        record = pending.pop()
        if record not in lost:
            lost.add(record)
            pending += takers.get(record, ())
    return lost
