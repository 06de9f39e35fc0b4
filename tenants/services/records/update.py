"""Changes single fields of a record. Only the parts that hold them are sealed anew."""

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
from tenants.selectors.records import StoredRecord, fetch_records
from tenants.services.collections import find_target
from tenants.services.records.limits import check_known_id
from tenants.services.records.reading import check_reader
from tenants.services.records.rows import (
    Place,
    delete_parts,
    delete_tokens,
    insert_tokens,
    put_parts,
    update_record_row,
)
from tenants.services.records.views import RecordView
from tenants.services.sealing import NewPart, NewToken, Sealing
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
    expected_version: int | None


@dataclass(frozen=True, slots=True)
class _Result:
    """The record after the change. `parts` are those to store, `gone` the classifications without any field left."""

    clear: dict[str, JsonValue]
    sealed: dict[str, dict[str, JsonValue]]
    parts: list[NewPart]
    gone: list[str]


def update_record(
    *,
    caller: Caller,
    collection: str,
    record_id: str,
    fields: Mapping[str, JsonValue],
    expected_version: int | None,
) -> RecordView:
    """Change the given fields of a record and leave the others; null empties an optional field.

    The answer holds all fields, so the API key needs `records:read` beside `records:write`. Raises `VersionConflict`
    where the record has another version than `expected_version`, or (without one) changes faster than we can; and what
    reading and creating raise.
    """
    caller.need(ApiScope.RECORDS_WRITE)
    check_reader(caller)
    check_known_id(record_id)
    target = find_target(caller, collection)
    checked = target.schema.check(fields, partial=True)
    sealing = Sealing(caller, target)
    tokens = sealing.tokens(checked.terms)
    change = _Change(caller, target, sealing, record_id, checked, tokens, expected_version)
    for mode in _ATTEMPTS:
        try:
            return _attempt(change, mode)
        except (RecordNotFound, VersionConflict) as error:
            final = isinstance(error, RecordNotFound) or expected_version is not None
            if final and mode == "latest":
                raise
    raise VersionConflict("The record keeps changing; try again.")


def _attempt(change: _Change, mode: Mode) -> RecordView:
    tenant_id, target = change.caller.tenant_id, change.target
    with tenant_scope(tenant_id, mode):
        fetched = fetch_records(tenant_id, target.id, [change.record_id])
    if not fetched.records:
        raise RecordNotFound("No such record.")
    [stored] = fetched.records
    if change.expected_version not in (None, stored.version):
        raise VersionConflict("The record has another version.")
    result = _apply(change, stored)
    place = Place(tenant_id, target.id, datetime.now(UTC))
    _write(change, stored, result, place)
    shown = target.schema.present(result.clear, result.sealed)
    return RecordView(stored.record_id, stored.version + 1, shown, stored.created_at, place.at)


def _apply(change: _Change, stored: StoredRecord) -> _Result:
    """Merge the change into the opened record and seal the touched parts. No transaction is open."""
    checked, schema = change.checked, change.target.schema
    sealed = change.sealing.open(stored)
    touched = set(checked.sealed) | {
        schema.fields[name].classification for name in checked.emptied if schema.fields[name].sealed
    }
    for name in touched:
        sealed[name] = _merged(sealed.get(name, {}), checked.sealed.get(name, {}), checked.emptied)
    clear = _merged(stored.clear, checked.clear, checked.emptied)
    check_size(schema.present(clear, sealed))
    kept = {name: sealed[name] for name in sorted(touched) if sealed[name]}
    parts = change.sealing.seal(kept, change.record_id, stored.version + 1)
    return _Result(clear, sealed, parts, gone=sorted(touched - kept.keys()))


def _merged(
    old: Mapping[str, JsonValue], new: Mapping[str, JsonValue], emptied: frozenset[str]
) -> dict[str, JsonValue]:
    return {name: value for name, value in {**old, **new}.items() if name not in emptied}


def _write(change: _Change, stored: StoredRecord, result: _Result, place: Place) -> None:
    """One transaction, which leaves nothing when the record has changed meanwhile or a unique value is taken."""
    checked = change.checked
    touched = [
        *checked.emptied,
        *checked.clear,
        *(n for part in checked.sealed.values() for n in part),
    ]
    with tenant_scope(place.tenant_id, "write"):
        if not update_record_row(place, stored.id, stored.version, result.clear):
            raise VersionConflict("The record has changed meanwhile.")
        delete_tokens(place, stored.id, touched)
        if insert_tokens(place, ((stored.id, token) for token in change.tokens)):
            raise ValueNotUnique(
                "Another record holds the same value in a field that must be unique."
            )
        put_parts(place, stored.version + 1, ((stored.id, part) for part in result.parts))
        delete_parts(place, stored.id, result.gone)
