"""The commands about rotation and re-encryption: what they plan, say and answer."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError

from tenants.management import terminal
from tenants.selectors import TenantView, get_progress, list_audit_events
from tenants.states import OperationKind
from tests.callers import caller_of, people
from tests.cast import Cast, as_region, run_plan
from tests.tenants.people import rotate_in_kms, store
from tests.tenants.test_commands import run

EU = "eu-west-1"


@pytest.fixture(scope="module")
def globex() -> TenantView:
    """With four records of three sealed parts each."""
    made = Cast().globex()
    with as_region(EU):
        caller = caller_of(made)
        store(caller, people(caller), range(4))
    return made


def kinds(tenant: TenantView) -> list[str]:
    return [one.kind for one in get_progress(tenant.id).operations]


def test_dry_runs_say_what_would_be_done_and_plan_nothing(globex: TenantView) -> None:
    before = get_progress(globex.id).plan_id
    for arguments, text in {
        ("rotate_key",): "leave the records as they are; 25 of 25 are left",
        ("rotate_key", "--reencrypt"): "and re-encrypt all records",
        ("rotate_key", "--every", "90"): "every 365 days now, would be every 90 days",
        ("rotate_data_keys", "--reencrypt"): "and re-encrypt 12 sealed parts",
        ("reencrypt_records",): "would re-encrypt 0 of 12 sealed parts",
    }.items():
        name, *more = arguments
        code, out = run(name, globex.slug, *more, "--dry-run")
        assert code == 0
        assert text in out
    assert get_progress(globex.id).plan_id == before


def test_rotate_key_plans_and_with_every_only_sets(globex: TenantView) -> None:
    code, out = run("rotate_key", globex.slug, "--every", "120")
    assert code == 0
    assert "0 of 1 steps of its rotation" in out
    run_plan(globex)
    code, out = run("rotate_key", globex.slug, "--reencrypt", "--wait", "--timeout", "0", "--json")
    assert code == terminal.UNFINISHED
    assert json.loads(out)["plan"]["operations"][0]["kind"] == OperationKind.ROTATE_KEY
    assert OperationKind.VERIFY_REENCRYPTION in kinds(globex)
    with pytest.raises(CommandError, match=r"^plan_under_way: "):
        run("rotate_data_keys", globex.slug)
    run_plan(globex)
    [event] = [
        one
        for one in list_audit_events(globex.id, before=None, limit=100)
        if one.action == "rotation.started"
    ]
    assert event.actor_id.startswith("terminal:")


def test_rotate_data_keys_and_reencrypt_records_end_with_0_when_all_is_done(
    globex: TenantView,
) -> None:
    run("rotate_data_keys", globex.slug)
    assert kinds(globex)[0] == OperationKind.RETIRE_DATA_KEYS
    run_plan(globex)
    run("reencrypt_records", globex.slug)
    run_plan(globex)
    code, out = run("tenant_status", globex.slug)
    assert code == 0
    assert "of its reencryption" in out


def test_key_usage_counts_and_ends_with_3_while_something_is_left(globex: TenantView) -> None:
    code, out = run("key_usage", globex.slug)
    assert code == 0
    assert "0 sealed parts are left." in out
    rotate_in_kms(globex)
    run("rotate_data_keys", globex.slug)  # it asks KMS, and so notices
    run_plan(globex)
    code, out = run("key_usage", globex.slug, "--json")
    assert code == terminal.UNFINISHED
    document = json.loads(out)
    assert document["parts_left"] == 12
    assert {each["purpose"] for each in document["usage"]} == {"index", "record"}
    assert "12 parts" in run("key_usage", globex.slug)[1]


@pytest.mark.parametrize(
    "name", ["rotate_key", "rotate_data_keys", "reencrypt_records", "key_usage"]
)
def test_a_tenant_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match=r"^not_found: "):
        run(name, "nobody")


def test_a_period_that_kms_would_refuse_is_refused(globex: TenantView) -> None:
    with pytest.raises(CommandError, match=r"^input_invalid: "):
        run("rotate_key", globex.slug, "--every", "30")
