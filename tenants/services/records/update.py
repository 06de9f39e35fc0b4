"""Changes single fields of a record. Only the parts that hold them are opened and sealed anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from crypto.part import JsonValue
from tenants.errors import RecordNotFound, ValueNotUnique, VersionConflict
from tenants.schema import CheckedFields
from tenants.schema.check import check_size
from tenants.scope import Mode, tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import StoredCollection
from tenants.selectors.records import StoredRecord, fetch_to_change
from tenants.services.collections import find_target
from tenants.services.records.expectation import ANYTHING, Expectation
from tenants.services.records.limits import check_known_id
from tenants.services.records.rows import (
    TAKEN,
    NewRecord,
    Place,
    delete_parts,
    delete_tokens,
    insert_tokens,
    put_parts,
    update_records,
)
from tenants.services.records.views import RecordVersion
from tenants.services.regions import check_region
from tenants.services.sealing import NewToken, Sealing
from tenants.states import ApiScope

# This Region's reader first, since nothing is faster; then what is committed, until nobody was quicker than we.
_ATTEMPTS: Final[tuple[Mode, ...]] = ("read", "latest", "latest", "latest")


@dataclass(frozen=True, slots=True)
class _Change:
    """What the caller wants changed, checked, with the search tokens of the new values."""

    caller: Caller
    target: StoredCollection
    sealing: Sealing
    record_id: str
    checked: CheckedFields
    tokens: list[NewToken]
    expected: Expectation

    @property
    def touched(self) -> list[str]:
        """The classifications whose parts are sealed anew."""
        given = self.checked.names
        return [name for name, fields in self.target.schema.parts.items() if fields & given]

    @property
    def opened(self) -> list[str]:
        """Those of them that have a field which stays as it is."""
        given, parts = self.checked.names, self.target.schema.parts
        return [name for name in self.touched if not parts[name] <= given]


@dataclass(frozen=True, slots=True)
class _Result:
    """The record after the change, and the classifications of which no field is left."""

    row: NewRecord
    gone: list[str]


def update_record(
    *,
    caller: Caller,
    collection: str,
    record_id: str,
    fields: Mapping[str, JsonValue],
    expected: Expectation = ANYTHING,
) -> RecordVersion:
    """Change the given fields of a record and leave the others; null empties an optional field.

    Of the sealed parts, those are opened of which some fields are given and some are not, so that is what this Region
    must be allowed to decrypt. Nothing is answered but the version. Raises `VersionConflict` where the record is not
    what was expected, or (where nothing was) changes faster than we can; and what reading and creating raise.
    """
    caller.need(ApiScope.RECORDS_WRITE)
    caller.need_active()
    check_region(caller, (), "encrypt")
    check_known_id(record_id)
    target = find_target(caller, collection)
    checked = target.schema.check(fields, partial=True)
    sealing = Sealing(caller, target)
    change = _Change(
        caller=caller,
        target=target,
        sealing=sealing,
        record_id=record_id,
        checked=checked,
        tokens=sealing.tokens(checked.terms),
        expected=expected,
    )
    for mode in _ATTEMPTS:
        try:
            return _attempt(change, mode)
        except (RecordNotFound, VersionConflict) as error:
            final = isinstance(error, RecordNotFound) or expected != ANYTHING
            if final and mode == "latest":
                raise
    raise VersionConflict("The record keeps changing; try again.")


def _attempt(change: _Change, mode: Mode) -> RecordVersion:
    tenant_id, target = change.caller.tenant_id, change.target
    with tenant_scope(tenant_id, mode):
        found = fetch_to_change(
            tenant_id, target.id, change.record_id, opened=change.opened, touched=change.touched
        )
    if found is None:
        raise RecordNotFound("No such record.")
    stored = found.record
    change.expected.check(stored)
    result = _apply(change, stored, found.beside)
    place = Place(tenant_id, target.id, datetime.now(UTC))
    _write(change, result, place)
    return RecordVersion(stored.record_id, result.row.version, stored.created_at, place.at)


def _apply(change: _Change, stored: StoredRecord, beside: int) -> _Result:
    """Merge the change into what is opened of the record and seal the touched parts. No transaction is open."""
    checked = change.checked
    sealed = change.sealing.open(stored, change.opened)
    touched = {
        name: _merged(sealed.get(name, {}), checked.sealed.get(name, {}), checked.emptied)
        for name in sorted(change.touched)
    }
    clear = _merged(stored.clear, checked.clear, checked.emptied)
    check_size(change.target.schema.present(clear, touched), beside=beside)
    kept = {name: part for name, part in touched.items() if part}
    version = stored.version + 1
    row = NewRecord(
        id=stored.id,
        record_id=stored.record_id,
        version=version,
        clear=clear,
        parts=change.sealing.seal(kept, change.record_id, version),
        tokens=change.tokens,
    )
    return _Result(row, gone=sorted(touched.keys() - kept.keys()))


def _merged(
    old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], emptied: frozenset[str]
) -> dict[str, JsonValue]:
    return {name: value for name, value in {**old, **new}.items() if name not in emptied}


def _write(change: _Change, result: _Result, place: Place) -> None:
    """One transaction, which leaves nothing when the record has changed meanwhile or a unique value is taken."""
    row = result.row
    with tenant_scope(place.tenant_id, "write", forwards=True):
        if not update_records(place, [row]):
            raise VersionConflict("The record has changed meanwhile.")
        delete_tokens(place, row.id, sorted(change.checked.names))
        if insert_tokens(place, [row]):
            raise ValueNotUnique(TAKEN)
        put_parts(place, [row])
        delete_parts(place, row.id, result.gone)
