"""Deletes a record with its sealed parts and search tokens."""

from __future__ import annotations

from datetime import UTC, datetime

from tenants.errors import RecordNotFound, VersionConflict
from tenants.scope import tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import load_collection
from tenants.selectors.records import record_exists
from tenants.services.records.limits import check_known_id
from tenants.services.records.rows import Place, delete_record_row
from tenants.services.regions import check_region
from tenants.states import ApiScope


def delete_record(
    *, caller: Caller, collection: str, record_id: str, expected_version: int | None
) -> None:
    """Delete the record; raises `RecordNotFound`, and `VersionConflict` where it has another version than expected.

    No key is asked: a Region that may neither encrypt nor decrypt may still delete.
    """
    caller.need(ApiScope.RECORDS_WRITE)
    caller.need_active()
    check_region(caller, (), "encrypt")
    check_known_id(record_id)
    with tenant_scope(caller.tenant_id, "write"):
        target = load_collection(caller.tenant_id, collection)
        place = Place(caller.tenant_id, target.id, datetime.now(UTC))
        if delete_record_row(place, record_id, expected_version):
            return
        if record_exists(caller.tenant_id, target.id, record_id):
            raise VersionConflict("The record has another version.")
    raise RecordNotFound("No such record.")
