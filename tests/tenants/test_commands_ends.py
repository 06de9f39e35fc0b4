"""The commands of revocation and of a tenant's end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from tenants.management import terminal
from tenants.selectors import get_tenant
from tenants.services import proof
from tenants.states import TenantState
from tests.cast import Cast, run_plan
from tests.tenants.endings import Leaving, leaving, pass_days, run_until
from tests.tenants.test_commands import run


@pytest.fixture(autouse=True)
def probes_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_ROUND_SECONDS", 0.0)


@pytest.fixture
def globex(cast: Cast) -> Leaving:
    return leaving(cast.onboard("globex", ("us-east-2",), "us-east-2", {}))


def state_of(tenant: Leaving) -> str:
    return get_tenant(tenant.tenant.slug).state


def test_a_tenant_is_revoked_reported_and_restored(globex: Leaving) -> None:
    slug = globex.tenant.slug
    why = ("--reason", "A leak.")
    code, out = run("revoke_tenant", slug, *why, "--dry-run")
    assert (code, state_of(globex)) == (0, TenantState.ACTIVE)
    with pytest.raises(CommandError, match="--yes"):  # nobody is there to type the slug again
        run("revoke_tenant", slug, *why)
    assert state_of(globex) == TenantState.ACTIVE
    code, out = run("revoke_tenant", slug, *why, "--yes", "--wait", "--timeout", "0")
    assert code == terminal.UNFINISHED
    assert "not proven in every Region yet" in out
    assert run("revocation_report", slug)[0] == terminal.UNFINISHED
    run_plan(globex.tenant)
    code, out = run("revocation_report", slug, "--json")
    report = json.loads(out)
    assert (code, report["is_proven"], report["reason"]) == (0, True, "A leak.")
    code, out = run("revocation_report", slug)
    assert "KMS refuses since" in out
    assert "lags by up to 15 minutes" in out
    assert run("revocation_report", slug, "--refresh")[0] == 0  # what was proven stays proven
    run_plan(globex.tenant)
    assert run("restore_tenant", slug, "--dry-run")[0] == 0
    assert state_of(globex) == TenantState.REVOKED
    assert run("restore_tenant", slug)[0] == 0
    run_plan(globex.tenant)
    assert state_of(globex) == TenantState.ACTIVE
    with pytest.raises(CommandError, match="tenant_not_active"):
        run("restore_tenant", slug)
    with pytest.raises(CommandError, match="not_found"):
        run("revocation_report", "nobody")


@pytest.mark.parametrize(("typed", "stays"), [("globex", True), ("", True), (None, False)])
def test_the_slug_is_typed_again(
    globex: Leaving, monkeypatch: pytest.MonkeyPatch, typed: str | None, stays: bool
) -> None:
    slug = globex.tenant.slug
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: slug if typed is None else typed)
    if stays:
        with pytest.raises(CommandError, match="another slug"):
            run("revoke_tenant", slug, "--reason", "A leak.")
    else:
        run("revoke_tenant", slug, "--reason", "A leak.")
    assert (state_of(globex) == TenantState.ACTIVE) is stays


def test_an_end_from_the_terminal_to_the_certificate(globex: Leaving, tmp_path: Path) -> None:
    slug = globex.tenant.slug
    with pytest.raises(CommandError, match="not_found"):
        run("offboarding_certificate", slug)
    globex.export()
    globex.request(globex.olga)
    assert run("approve_offboarding", slug, "--dry-run")[0] == 0
    assert state_of(globex) == TenantState.ACTIVE
    code, out = run("approve_offboarding", slug, "--yes", "--json")
    assert (code, json.loads(out)["state"]) == (0, "approved")
    assert run("offboarding_certificate", slug)[0] == terminal.UNFINISHED
    run_until(globex.tenant, lambda: state_of(globex) == TenantState.RETIRED, pass_days)
    code, out = run("offboarding_certificate", slug)
    assert code == 0
    (tmp_path / "certificate.json").write_text(out)
    (tmp_path / "key.pem").write_text(public_key())
    check = ("verify_certificate", str(tmp_path / "certificate.json"), "--public-key")
    code, said = run(*check, str(tmp_path / "key.pem"))
    assert code == 0
    assert said.startswith("Genuine: mrk-gateway/offboarding-certificate/v1")
    (tmp_path / "certificate.json").write_text(out.replace(slug, "somebody-else"))
    with pytest.raises(CommandError, match="signature_invalid"):
        run(*check, str(tmp_path / "key.pem"))
    (tmp_path / "certificate.json").write_text("{")
    with pytest.raises(CommandError, match="signature_invalid"):
        run(*check, str(tmp_path / "key.pem"))
    (tmp_path / "certificate.json").write_text(out)
    with pytest.raises(CommandError, match="cannot be read"):
        run(*check, str(tmp_path / "absent.pem"))
    with pytest.raises(CommandError, match="signing_key_missing"):
        run(*check, str(tmp_path / "certificate.json"))


def public_key() -> str:
    from tenants.services.signing import public_keys

    return public_keys()[0].pem


def test_an_operator_requests_and_calls_off_but_does_not_end_a_tenant_alone(
    globex: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = globex.tenant.slug
    ask = ("request_offboarding", slug, "--reason", "The contract ends.", "--waiting-days", "7")
    assert run(*ask, "--dry-run")[0] == 0
    with pytest.raises(CommandError, match="not_found"):
        run("cancel_offboarding", slug)
    code, out = run(*ask)
    assert code == 0
    assert "7 days of waiting" in out
    with pytest.raises(CommandError, match="actor_not_allowed"):
        run("approve_offboarding", slug, "--yes", "--waive-export")
    code, out = run("cancel_offboarding", slug, "--json")
    assert json.loads(out)["state"] == "cancelled"
    with pytest.raises(CommandError, match="input_invalid"):
        run("request_offboarding", slug, "--reason", "x", "--waiting-days", "3")
    globex.export()
    globex.request(globex.olga)
    globex.approve(globex.ben)
    code, out = run("cancel_offboarding", slug, "--wait", "--timeout", "0")
    assert code == terminal.UNFINISHED
    run_plan(globex.tenant)
    assert state_of(globex) == TenantState.ACTIVE


def test_nothing_is_asked_of_a_pipe(globex: Leaving, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: Any) -> str:
        raise AssertionError("asked")

    monkeypatch.setattr("builtins.input", nobody)
    globex.request(globex.olga)
    with pytest.raises(CommandError, match="--yes"):
        run("approve_offboarding", globex.tenant.slug)
