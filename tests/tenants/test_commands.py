"""The commands: thin, idempotent, with exit codes and JSON."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from crypto.errors import KeyAccessDenied
from tenants.management import terminal
from tenants.models.base import new_id
from tenants.selectors import check_operator, get_tenant, list_audit_events
from tenants.states import OperationKind
from tests.cast import Cast
from tests.tenants import plans
from tests.tenants.plans import Fake, handled_by, raising, step


def run(name: str, *arguments: str) -> tuple[int, str]:
    """Exit code and standard output."""
    out = io.StringIO()
    try:
        call_command(name, *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def onboard(slug: str, *more: str) -> tuple[int, str]:
    regions = ("--home", "us-east-2", "--regions", "us-east-2,eu-west-1")
    return run("onboard_tenant", slug, "--name", "Acme", *regions, *more)


def fresh() -> str:
    return f"acme-{new_id().hex[-12:]}"


def test_onboard_tenant_plans_and_the_same_again_changes_nothing() -> None:
    slug = fresh()
    code, out = onboard(slug)
    assert code == 0
    assert f"{slug} (Acme): onboarding, 0 of 10 steps of its onboarding" in out
    assert onboard(slug) == (code, out)
    [event] = list_audit_events(get_tenant(slug).id, before=None, limit=5)
    assert event.actor_id.startswith("terminal:")


def test_onboard_tenant_refuses_bad_input_with_every_problem() -> None:
    with pytest.raises(CommandError) as caught:
        run("onboard_tenant", "X", "--name", "x", "--home", "mars-1", "--regions", "mars-1")
    text = str(caught.value)
    assert text.startswith("input_invalid: ")
    assert "\n  /slug: " in text
    assert "\n  /home_region: " in text
    assert caught.value.returncode == 1


def test_waiting_for_a_plan_that_nobody_runs_ends_with_3_and_shows_where_it_is() -> None:
    code, out = onboard(fresh(), "--wait", "--timeout", "0", "--json")
    assert code == terminal.UNFINISHED
    document = json.loads(out)
    assert document["tenant"]["state"] == "onboarding"
    assert document["plan"]["is_finished"] is False
    assert document["plan"]["operations"][0]["kind"] == "create_primary_key"


def test_tenant_status_tells_an_active_tenant_from_an_unfinished_one(cast: Cast) -> None:
    acme, initech = cast.acme(), cast.initech()
    code, out = run("tenant_status", acme.slug, "--json")
    document = json.loads(out)
    assert code == 0
    assert {key["region"] for key in document["keys"]} == {"us-east-2", "us-west-1", "eu-west-1"}
    assert document["plan"]["done"] == document["plan"]["total"] == 14
    assert run("tenant_status", initech.slug)[0] == terminal.UNFINISHED
    with pytest.raises(CommandError, match="not_found: No such tenant"):
        run("tenant_status", "nobody")


def test_tenant_status_shows_why_a_step_failed(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    initech = cast.initech()
    with handled_by(
        {
            OperationKind.CREATE_PRIMARY_KEY: Fake(
                does=raising(KeyAccessDenied("kms:CreateKey refused"))
            )
        }
    ):
        plans.run(initech, step(initech, OperationKind.CREATE_PRIMARY_KEY))
    code, out = run("tenant_status", initech.slug)
    assert code == terminal.FAILED
    assert "create_primary_key us-east-2: failed, key_access_denied: kms:CreateKey refused" in out


def test_create_operator_reads_the_password_from_a_file(tmp_path: Path) -> None:
    address = f"olga-{new_id().hex}@example.com"
    (tmp_path / "password").write_text("correct horse battery\n")
    for _ in range(2):
        assert (
            run(
                "create_operator", "--email", address, "--password-file", str(tmp_path / "password")
            )[0]
            == 0
        )
    assert authenticate(None, username=address, password="correct horse battery")


@pytest.mark.parametrize("content", [None, "", "short"])
def test_create_operator_refuses_a_missing_or_a_weak_password(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CommandError):
        run("create_operator", "--email", "olga@example.com", "--password-file", str(path))


def issue(path: Path) -> str:
    code, out = run("issue_operator_key", "--name", "test", "--out", str(path))
    assert code == 0
    assert path.read_text().strip() not in out
    return path.read_text().strip()


def test_issue_operator_key_writes_a_file_for_its_owner_alone_and_keeps_a_valid_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "key"
    token = issue(path)
    assert check_operator(token).kind == "operator"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert issue(path) == token


def test_issue_operator_key_replaces_a_key_that_is_not_valid(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("mrko_somebody-elses\n")
    assert check_operator(issue(path)).kind == "operator"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_commands_take_keywords_as_another_program_gives_them(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "name": "test",
        "out": str(tmp_path / "key"),
        "stdout": io.StringIO(),
    }
    call_command("issue_operator_key", **options)
    assert (tmp_path / "key").exists()
