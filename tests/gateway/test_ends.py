"""Revocation and a tenant's end over HTTP, and what a member sees of them in the console."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tenants.models import User
from tenants.selectors import get_tenant
from tenants.services import proof
from tenants.services.signing import read_public_keys, verify
from tenants.states import TenantState
from tests.cast import Cast, run_plan
from tests.gateway.api import Api, app_of, operator, problem
from tests.tenants.endings import Leaving, leaving, pass_days, run_until


@pytest.fixture(autouse=True)
def probes_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_ROUND_SECONDS", 0.0)


@pytest.fixture(scope="module")
def api() -> Api:
    return operator()


@pytest.fixture
def globex(cast: Cast) -> Leaving:
    return leaving(cast.onboard("globex", ("us-east-2",), "us-east-2", {}))


def test_a_tenant_is_revoked_reported_refreshed_and_restored(api: Api, globex: Leaving) -> None:
    path = f"/tenants/{globex.tenant.slug}/revocation"
    app = app_of(globex.tenant)
    record = f"/collections/{globex.collection}/records/record-0"
    assert app.get(record)["fields"]["card"] == "4111"
    problem(api.send("GET", path), 404, "not_found")
    problem(api.send("DELETE", path), 409, "tenant_not_active")
    problem(api.send("POST", path, {"reason": ""}), 400, "input_invalid")
    answer = api.send("POST", path, {"reason": "A leak."})
    assert answer.status_code == 202
    assert answer["Location"] == f"/api/v1/tenants/{globex.tenant.slug}/operations"
    app.seen = api.seen
    for method, target, body in [
        ("GET", record, None),
        ("GET", "/collections", None),
        ("POST", "/values/decrypt", {"values": [{"classification": "pii", "ciphertext": "AgR4"}]}),
        ("DELETE", record, None),
    ]:
        problem(app.send(method, target, body), 409, "tenant_not_active")
    assert app.get("/me")["state"] == "revoked"
    assert api.get(path)["is_proven"] is False
    run_plan(globex.tenant)
    report = api.get(path)
    [region] = report["regions"]
    assert (report["is_proven"], report["is_revoked"], region["state"]) == (True, True, "proven")
    assert region["refused_at"].endswith("Z")
    assert api.post(path, {"reason": "Again."}, expect=202)["plan_id"] == report["plan_id"]
    refreshed = api.post(f"{path}/refresh", expect=202)
    assert refreshed["plan_id"] != report["plan_id"]
    run_plan(globex.tenant)
    assert api.send("DELETE", path).status_code == 202
    run_plan(globex.tenant)
    app.seen = api.seen
    assert app.get(record)["fields"]["card"] == "4111"
    problem(api.send("POST", f"{path}/refresh"), 409, "tenant_not_active")
    assert api.get(path)["is_revoked"] is False


def test_an_end_is_requested_approved_by_a_member_called_off_and_certified(
    api: Api, globex: Leaving
) -> None:
    path = f"/tenants/{globex.tenant.slug}/offboarding"
    problem(api.send("GET", path), 404, "not_found")
    problem(api.send("DELETE", path), 404, "not_found")
    problem(api.send("POST", path, {"reason": "x", "waiting_days": 3}), 400, "input_invalid")
    asked = api.post(path, {"reason": "They leave.", "waiting_days": 7}, expect=201)
    assert asked["requested_by"].startswith("operator:")
    approval = {"offboarding_id": asked["id"], "waive_export": True}
    problem(api.send("POST", f"{path}/approval", approval), 403, "actor_not_allowed")
    problem(api.send("GET", f"{path}/certificate"), 404, "not_found")
    globex.approve(globex.olga, waive=True)
    assert api.get(path)["state"] == "approved"
    assert api.send("DELETE", path).status_code == 200
    run_plan(globex.tenant)
    assert get_tenant(globex.tenant.slug).state == TenantState.ACTIVE

    mine = globex.request(globex.olga)
    approval = {"offboarding_id": str(mine.id)}
    problem(api.send("POST", f"{path}/approval", approval), 409, "export_missing")
    globex.export()
    assert api.post(f"{path}/approval", approval)["final_date"]
    slug = globex.tenant.slug
    run_until(globex.tenant, lambda: get_tenant(slug).state == TenantState.RETIRED, pass_days)
    signed = api.get(f"{path}/certificate")
    # The key is public, so that whoever holds a certificate can check it.
    keys = json.loads(Client().get("/api/v1/signing-key").content)["keys"]
    assert verify(signed, read_public_keys(keys[0]["public_key"]))["tenant"]["slug"] == slug
    assert signed["signature"]["key_id"] == keys[0]["key_id"]
    assert b"PRIVATE" not in Client().get("/api/v1/signing-key").content
    problem(api.send("DELETE", path), 409, "tenant_not_active")


@pytest.fixture
def plain_static_files(settings: Any) -> None:
    """Pages without a collected manifest."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}


@pytest.mark.usefixtures("plain_static_files")
def test_members_of_a_revoked_tenant_sign_in_and_see_what_it_is(globex: Leaving) -> None:
    client = Client()
    client.force_login(
        User.objects.get(id=globex.olga.id),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    page = f"/console/tenants/{globex.tenant.slug}/"
    assert client.get(page).status_code == 200
    api = operator()
    api.post(f"/tenants/{globex.tenant.slug}/revocation", {"reason": "A leak."}, expect=202)
    answer = client.get(page)
    assert answer.status_code == 200
    assert b"evoked" in answer.content
