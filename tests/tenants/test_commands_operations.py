"""The commands about operations: what is unfinished in the fleet, retrying, cancelling."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError

from crypto.errors import KeyAccessDenied
from tenants.management import terminal
from tenants.selectors import TenantView, get_progress
from tenants.services.work import Continue
from tenants.states import OperationKind, OperationState
from tests.cast import Cast
from tests.tenants import plans
from tests.tenants.plans import Fake, handled_by, raising, step
from tests.tenants.test_commands import run

CREATE = OperationKind.CREATE_PRIMARY_KEY


@pytest.fixture
def failed(cast: Cast) -> TenantView:
    """Initech, whose first step was refused."""
    initech = cast.initech()
    with handled_by({CREATE: Fake(does=raising(KeyAccessDenied("kms:CreateKey refused")))}):
        plans.run(initech, step(initech, CREATE))
    return initech


def listed(*arguments: str) -> tuple[int, dict[str, Any]]:
    code, out = run("list_operations", "--json", *arguments)
    return code, json.loads(out)


def test_list_operations_shows_what_failed_and_counts_it(failed: TenantView) -> None:
    code, document = listed("--tenant", failed.slug)
    assert code == terminal.FAILED
    assert document["counts"] == [
        {"kind": CREATE, "region": "us-east-2", "state": "failed", "count": 1}
    ]
    [one] = document["operations"]
    assert (one["slug"], one["plan"], one["step"]["kind"]) == (failed.slug, "onboarding", CREATE)
    assert one["step"]["error"]["code"] == "key_access_denied"
    code, out = run("list_operations", "--tenant", failed.slug)
    assert code == terminal.FAILED
    assert "      1  failed    create_primary_key us-east-2" in out
    assert f"{failed.slug}  onboarding  create_primary_key us-east-2  failed  key_access" in out


def test_list_operations_filters_by_state_kind_and_region(failed: TenantView, cast: Cast) -> None:
    due = cast.initech()
    both = ("--tenant", failed.slug, "--tenant", due.slug)
    assert len(listed(*both)[1]["operations"]) == 2
    code, document = listed(*both, "--state", "due")
    assert (code, [one["slug"] for one in document["operations"]]) == (
        terminal.UNFINISHED,
        [due.slug],
    )
    nothing: dict[str, Any] = {"counts": [], "operations": []}
    assert listed(*both, "--kind", "replicate_key") == (0, nothing)
    assert listed(*both, "--region", "eu-west-1") == (0, nothing)
    assert listed(*both, "--region", "eu-west-1", "--state", "planned")[0] == terminal.UNFINISHED
    assert run("list_operations", *both, "--state", "done") == (0, "None.\n")
    assert len(listed(*both, "--limit", "1")[1]["operations"]) == 1


def test_list_operations_shows_how_far_a_long_step_is(cast: Cast) -> None:
    initech = cast.initech()
    with handled_by({CREATE: Fake(does=raising(Continue(done=3, total=9)))}):
        plans.run(initech, step(initech, CREATE))
    assert "due  3 of 9" in run("list_operations", "--tenant", initech.slug)[1]


def test_retry_operations_says_what_it_would_do_and_then_does_it(failed: TenantView) -> None:
    mine = ("--tenant", failed.slug)
    code, out = run("retry_operations", *mine, "--dry-run")
    assert (code, "1 would be retried, 0 refused." in out) == (0, True)
    assert step(failed, CREATE).state == OperationState.FAILED
    code, out = run("retry_operations", "--all-failed", *mine, "--kind", CREATE, "--json")
    assert code == 0
    document = json.loads(out)
    assert document["dry_run"] is False
    assert [one["refused"] for one in document["operations"]] == [None]
    assert step(failed, CREATE).state == OperationState.DUE
    assert "0 retried" in run("retry_operations", *mine)[1]


def test_retry_operations_keeps_to_what_was_named(failed: TenantView) -> None:
    mine = ("--tenant", failed.slug)
    for other in (("--kind", "replicate_key"), ("--region", "eu-west-1"), ("--code", "not_found")):
        assert "0 retried" in run("retry_operations", *mine, *other)[1]
    assert step(failed, CREATE).state == OperationState.FAILED
    with pytest.raises(CommandError, match="--all-failed"):
        run("retry_operations")


def test_cancel_plan_shows_what_it_would_do_and_then_does_it(failed: TenantView) -> None:
    code, out = run("cancel_plan", failed.slug, "--dry-run")
    assert code == 0
    assert "0 of 14 steps are done, 0 cancelled, 14 would be cancelled:" in out
    assert "  create_primary_key us-east-2: failed" in out
    assert get_progress(failed.id).cancelled == 0
    code, out = run("cancel_plan", failed.slug, "--json")
    assert (code, json.loads(out)["cancelled"]) == (0, 14)
    with pytest.raises(CommandError, match="plan_finished"):
        run("cancel_plan", failed.slug)
    with pytest.raises(CommandError, match="not_found"):
        run("cancel_plan", failed.slug, "--plan", str(failed.id))


def test_a_command_that_waits_for_a_cancelled_plan_ends_with_4(cast: Cast) -> None:
    initech = cast.initech()
    run("cancel_plan", initech.slug)
    assert terminal.exit_code(terminal.wait_for(initech, 60)) == terminal.FAILED
    code, out = run("tenant_status", initech.slug)
    assert code == terminal.FAILED
    assert "0 of 14 steps of its onboarding, 14 cancelled" in out
