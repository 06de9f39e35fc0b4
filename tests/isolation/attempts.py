"""Every use case, tried by Globex with the names of what is Acme's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tenants import selectors
from tenants.selectors import collections as collection_selectors
from tenants.selectors import leakage
from tenants.services import access, operations, plans, records, values
from tenants.services import collections as collection_services
from tests.callers import OPERATOR
from tests.isolation.world import FIELDS, World

Attempt = Callable[[World], Any]


def _theirs(world: World, **more: Any) -> dict[str, Any]:
    """Globex's credential, and the name of Acme's collection."""
    return {"caller": world.globex.caller, "collection": world.acme.collection, **more}


def _mine(world: World, **more: Any) -> dict[str, Any]:
    """Globex's credential and collection; what is Acme's stands in `more`."""
    return {"caller": world.globex.caller, "collection": world.globex.collection, **more}


ATTEMPTS: Final[dict[str, list[Attempt]]] = {
    "find_target": [
        lambda w: collection_services.find_target(w.globex.caller, w.acme.collection),
    ],
    "get_collection": [
        lambda w: collection_selectors.get_collection(w.globex.caller, w.acme.collection),
    ],
    "list_leakage": [
        lambda w: leakage.list_leakage(w.globex.caller, w.acme.collection),
    ],
    "list_collections": [
        lambda w: collection_selectors.list_collections(w.globex.caller),
    ],
    "create_record": [
        lambda w: records.create_record(**_theirs(w, record=records.RecordInput("new", FIELDS))),
    ],
    "create_records": [
        lambda w: records.create_records(
            **_theirs(w, records=[records.RecordInput("new", FIELDS)])
        ),
    ],
    "read_record": [
        lambda w: records.read_record(**_theirs(w, record_id=w.acme.record)),
        lambda w: records.read_record(**_mine(w, record_id=w.acme.record)),
    ],
    "read_records": [
        lambda w: records.read_records(**_theirs(w, record_ids=[w.acme.record])),
        lambda w: records.read_records(**_mine(w, record_ids=[w.acme.record])),
    ],
    "list_records": [
        lambda w: records.list_records(**_theirs(w, after=None, limit=500)),
        lambda w: records.list_records(**_mine(w, after=None, limit=500)),
    ],
    "search_records": [
        lambda w: records.search_records(**_theirs(w, field="email", value="ann@x.org", limit=5)),
        lambda w: records.search_records(**_mine(w, field="email", value="ann@x.org", limit=5)),
        lambda w: records.search_records(**_mine(w, field="city", value="Rome", limit=5)),
    ],
    "update_record": [
        lambda w: records.update_record(
            **_theirs(w, record_id=w.acme.record, fields={"name": "X"}, expected_version=None)
        ),
        lambda w: records.update_record(
            **_mine(w, record_id=w.acme.record, fields={"card": "1"}, expected_version=1)
        ),
    ],
    "delete_record": [
        lambda w: records.delete_record(
            **_theirs(w, record_id=w.acme.record, expected_version=None)
        ),
        lambda w: records.delete_record(**_mine(w, record_id=w.acme.record, expected_version=1)),
    ],
    "decrypt_values": [
        lambda w: values.decrypt_values(caller=w.globex.caller, values=[w.acme.value]),
    ],
    "reencrypt_values": [
        lambda w: values.reencrypt_values(caller=w.globex.caller, values=[w.acme.value]),
    ],
    "revoke_api_key": [
        lambda w: access.revoke_api_key(
            tenant_id=w.globex.id, api_key_id=w.acme.api_key, actor=OPERATOR
        ),
    ],
    "remove_member": [
        lambda w: access.remove_member(
            tenant_id=w.globex.id, member_id=w.acme.member, actor=OPERATOR
        ),
    ],
    "retry_operation": [
        lambda w: operations.retry_operation(
            tenant_id=w.globex.id, operation_id=w.acme.operation, actor=OPERATOR
        ),
    ],
    "cancel_plan": [
        lambda w: plans.cancel_plan(tenant_id=w.globex.id, plan_id=w.acme.plan, actor=OPERATOR),
    ],
    "run_operation": [
        lambda w: operations.run_operation(tenant_id=w.globex.id, operation_id=w.acme.operation),
    ],
    "list_api_keys": [lambda w: selectors.list_api_keys(w.globex.id)],
    "list_members": [lambda w: selectors.list_members(w.globex.id)],
    "list_audit_events": [
        lambda w: selectors.list_audit_events(w.globex.id, before=None, limit=500),
        lambda w: selectors.list_audit_events(w.globex.id, before=w.acme.event, limit=500),
    ],
    "list_regional_keys": [lambda w: selectors.list_regional_keys(w.globex.id)],
    "list_region_rules": [lambda w: selectors.list_region_rules(w.globex.id)],
    "get_key_id": [lambda w: selectors.get_key_id(w.globex.id)],
    "get_progress": [lambda w: selectors.get_progress(w.globex.id)],
}

# Functions that name a tenant and cannot be tried with another's names, each with the reason.
WITHOUT_ATTEMPT: Final = {
    "define_collection": "names what it makes; see the test of equal names",
    "issue_api_key": "names nothing that is there already",
    "add_member": "names a person, and people belong to no tenant",
    "change_region_rule": "names Regions only",
    "start_verification": "names nothing but the tenant",
    "encrypt_values": "names nothing but the credential's own tenant",
    "get_in_process_caller": "names nothing but the tenant, and is for code inside of the process alone",
    "check_region": "asks no database",
    "check_reader": "asks no database",
    "record_event": "writes inside of the scope of another service",
    "write_plan": "writes inside of the scope of another service",
    "locked_tenant": "reads inside of the scope of another service",
    "need_no_other_plan": "reads inside of the scope of another service",
    "pause_plans": "writes inside of the scope of another service",
    "resume_plans": "writes inside of the scope of another service",
    "claim": "is how run_operation begins",
    "load_collection": "reads inside of the scope of another service",
    "fetch_records": "reads inside of the scope of another service",
    "fetch_page": "reads inside of the scope of another service",
    "fetch_by_token": "reads inside of the scope of another service",
    "record_exists": "reads inside of the scope of another service",
}
