"""Deletes a record with its sealed parts and search tokens."""

from __future__ import annotations

from tenants.errors import RecordNotFound
from tenants.scope import tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import load_collection
from tenants.services.records.expectation import ANYTHING, Expectation
from tenants.services.records.limits import check_known_id
from tenants.services.records.rows import delete_record_row, lock_record
from tenants.services.regions import check_region
from tenants.states import ApiScope


def delete_record(
    *, caller: Caller, collection: str, record_id: str, expected: Expectation = ANYTHING
) -> None:
    """Delete the record; raises `RecordNotFound`, and `VersionConflict` where it is not what was expected.

    No key is asked: a Region that may neither encrypt nor decrypt may still delete.
    """
    caller.need(ApiScope.RECORDS_WRITE)
    caller.need_active()
    check_region(caller, (), "encrypt")
    check_known_id(record_id)
    with tenant_scope(caller.tenant_id, "write", forwards=True):
        target = load_collection(caller.tenant_id, collection)
        found = lock_record(caller.tenant_id, target.id, record_id)
        if found is None:
            raise RecordNotFound("No such record.")
        expected.check(found)
        delete_record_row(caller.tenant_id, found.id)
