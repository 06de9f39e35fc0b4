"""Every use case, tried by Globex with the names of what is Acme's."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

import pytest

from crypto.arn import KeyArn
from tenants import selectors
from tenants.errors import ExternalKeyRefused
from tenants.scope import fleet_scope
from tenants.selectors import collections as collection_selectors
from tenants.selectors import drift, key_usage, leakage
from tenants.selectors.exports import get_records_mark
from tenants.selectors.offboarding import get_certificate, get_offboarding
from tenants.selectors.revocation import get_revocation_report
from tenants.services import (
    access,
    export,
    external_keys,
    key_moves,
    offboarding,
    operations,
    plans,
    records,
    values,
)
from tenants.services import collections as collection_services
from tenants.services.external_keys import ExternalKeyInput
from tenants.states import KeyTier
from tests.callers import OPERATOR
from tests.isolation.world import FIELDS, Side, World

Attempt = Callable[[World], Any]
EMAIL: Final = [records.SearchCondition("email", "eq", "ann@x.org")]
CITY: Final = [records.SearchCondition("city", "eq", "Rome")]
FIRST: Final = records.Expectation(version=1)


def _theirs(world: World, **more: Any) -> dict[str, Any]:
    """Globex's credential, and the name of Acme's collection."""
    return {"caller": world.globex.caller, "collection": world.acme.collection, **more}


def _exported(tenant_id: Any) -> str:
    out = io.BytesIO()
    export.export_records(tenant_id=tenant_id, out=out, actor=OPERATOR, show=lambda *_: None)
    return out.getvalue().decode()


def _mine(world: World, **more: Any) -> dict[str, Any]:
    """Globex's credential and collection; what is Acme's stands in `more`."""
    return {"caller": world.globex.caller, "collection": world.globex.collection, **more}


def _key_of(side: Side) -> ExternalKeyInput:
    """Acme's key, as somebody would name it who has heard of its ARN; its account is accepted."""
    arn = selectors.list_regional_keys(side.id)[0].arn
    return ExternalKeyInput(arn, (KeyArn.parse(arn).account,))


def _refused(use_case: Callable[..., Any], *arguments: Any, **named: Any) -> str:
    """What a refusal of that key says: the same as of a key that nobody has."""
    with pytest.raises(ExternalKeyRefused) as caught:
        use_case(*arguments, **named)
    return str(caught.value)


def _in_fleet_scope(use_case: Callable[..., Any], **named: Any) -> Any:
    with fleet_scope("latest"):
        return use_case(**named)


ATTEMPTS: Final[dict[str, list[Attempt]]] = {
    "find_target": [
        lambda w: collection_services.find_target(w.globex.caller, w.acme.collection),
    ],
    "find_collection": [
        lambda w: collection_selectors.find_collection(w.globex.id, w.acme.collection),
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
        lambda w: records.search_records(**_theirs(w, where=EMAIL, limit=5)),
        lambda w: records.search_records(**_mine(w, where=EMAIL, limit=5)),
        lambda w: records.search_records(**_mine(w, where=CITY, limit=5)),
    ],
    "put_record": [
        lambda w: records.put_record(**_theirs(w, record_id=w.acme.record, fields=FIELDS)),
    ],
    "put_records": [
        lambda w: records.put_records(
            **_theirs(w, records=[records.RecordPut(w.acme.record, FIELDS)])
        ),
        lambda w: records.put_records(
            **_mine(w, records=[records.RecordPut(w.acme.record, FIELDS, FIRST)])
        ),
    ],
    "update_record": [
        lambda w: records.update_record(
            **_theirs(w, record_id=w.acme.record, fields={"name": "X"})
        ),
        lambda w: records.update_record(
            **_mine(w, record_id=w.acme.record, fields={"card": "1"}, expected=FIRST)
        ),
    ],
    "delete_record": [
        lambda w: records.delete_record(**_theirs(w, record_id=w.acme.record)),
        lambda w: records.delete_record(**_mine(w, record_id=w.acme.record, expected=FIRST)),
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
    "approve_offboarding": [
        lambda w: offboarding.approve_offboarding(
            tenant_id=w.globex.id,
            offboarding_id=get_offboarding(w.acme.id).id,
            actor=OPERATOR,
        ),
    ],
    "export_records": [lambda w: _exported(w.globex.id)],
    "get_offboarding": [lambda w: get_offboarding(w.globex.id)],
    "get_certificate": [lambda w: get_certificate(w.globex.id)],
    "get_revocation_report": [lambda w: get_revocation_report(w.globex.id)],
    "get_records_mark": [lambda w: get_records_mark(w.globex.id)],
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
    "start_key_move": [
        lambda w: _refused(
            key_moves.start_key_move,
            tenant_id=w.globex.id,
            tier=KeyTier.EXTERNAL,
            external=_key_of(w.acme),
            actor=OPERATOR,
        ),
    ],
    "try_external_key": [
        lambda w: _refused(
            external_keys.try_external_key,
            tenant_id=w.globex.id,
            arn=_key_of(w.acme).arn,
            accounts=_key_of(w.acme).accounts,
        ),
    ],
    "accept_key": [
        lambda w: _refused(
            _in_fleet_scope,
            external_keys.accept_key,
            tenant_id=w.globex.id,
            arn=_key_of(w.acme).arn,
            accounts=_key_of(w.acme).accounts,
        ),
    ],
    "list_key_usage": [lambda w: key_usage.list_key_usage(w.globex.id)],
    "get_key_rotation": [lambda w: key_usage.get_key_rotation(w.globex.id)],
    "get_progress": [lambda w: selectors.get_progress(w.globex.id)],
    "list_drift": [lambda w: drift.list_drift(w.globex.id)],
    "get_plan": [
        lambda w: selectors.get_plan(w.globex.id, w.acme.plan),
    ],
    "list_plans": [
        lambda w: selectors.list_plans(w.globex.id),
        lambda w: selectors.list_plans(w.globex.id, before=w.acme.plan),
    ],
}

# Functions that name a tenant and cannot be tried with another's names, each with the reason.
WITHOUT_ATTEMPT: Final = {
    "define_collection": "names what it makes; see the test of equal names",
    "issue_api_key": "names nothing that is there already",
    "add_member": "names a person, and people belong to no tenant",
    "change_region_rule": "names Regions only",
    "start_verification": "names nothing but the tenant",
    "set_rotation": "names nothing but the tenant",
    "start_forgetting": "names nothing but the tenant",
    "external_key_policy": "names nothing but the tenant",
    "get_key_tier": "names nothing but the tenant, and is for operators",
    "new_policy_templates": "asks no database",
    "need_customer": "reads inside of the scope of another service",
    "rotate_key": "names nothing but the tenant",
    "retire_data_keys": "names nothing but the tenant",
    "start_reencryption": "names nothing but the tenant",
    "put_rotation": "names nothing but the tenant, and the key of the step that calls it",
    "fetch_key_usage": "reads inside of the scope of another service",
    "apply_rewrapped": "writes inside of the scope of another service",
    "start_repair": "names Regions only",
    "read_expected": "names a Region only, and is how a comparison begins",
    "check_key": "names a Region only",
    "is_moving": "reads inside of the scope of another service",
    "write_drift": "writes inside of the scope of another service",
    "supersede_rollouts": "writes inside of the scope of another service",
    "get_desired_policy": "names a Region only",
    "get_applied_policy": "names a Region only, and asks KMS",
    "compare_policy": "names a Region only, and asks KMS",
    "start_region_addition": "names Regions only",
    "start_region_removal": "names Regions only",
    "cancel_region_removal": "names Regions only",
    "start_promotion": "names Regions only",
    "rule_to_have": "is how start_region_addition begins",
    "find_plan": "reads inside of the scope of another service",
    "find_stranded": "reads inside of the scope of another service",
    "count_parts": "reads inside of the scope of another service",
    "encrypt_values": "names nothing but the credential's own tenant",
    "get_in_process_caller": "names nothing but the tenant, and is for code inside of the process alone",
    "check_region": "asks no database",
    "check_reader": "asks no database",
    "revoke_tenant": "names nothing but the tenant",
    "refresh_revocation": "names nothing but the tenant",
    "restore_tenant": "names nothing but the tenant",
    "request_offboarding": "names nothing but the tenant",
    "cancel_offboarding": "names nothing but the tenant",
    "count_rows": "names nothing but the tenant",
    "forget_unless_active": "asks no database",
    "find_export": "reads inside of the scope of another service",
    "lock_plans": "reads inside of the scope of another service",
    "open_plan": "reads inside of the scope of another service",
    "give_up_plans": "writes inside of the scope of another service",
    "retry_failed": "writes inside of the scope of another service",
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
    "fetch_found": "reads inside of the scope of another service",
    "fetch_to_change": "reads inside of the scope of another service",
    "fetch_versions": "reads inside of the scope of another service",
    "lock_record": "reads inside of the scope of another service",
    "delete_record_row": "writes inside of the scope of another service",
}
