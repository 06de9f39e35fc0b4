"""Drift, repairs, key policies and keys without an owner, over HTTP."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import uuid4

import pytest

from crypto.kms.clients import Plane
from tenants.models import OrphanKey
from tenants.scope import fleet_scope
from tenants.selectors import TenantView, list_regional_keys
from tenants.services.publication import alias_of
from tenants.services.reconciliation import check_key
from tests.cast import Cast, as_region, run_plan
from tests.gateway.api import Api, app_of, operator, problem
from tests.tenants.aws import clients
from tests.tenants.test_reconciliation import BACKDOOR, change_policy

EU = "eu-west-1"


@pytest.fixture(scope="module")
def api() -> Api:
    return operator()


@pytest.fixture
def globex(cast: Cast) -> TenantView:
    return cast.globex()


def drift(api: Api, tenant: TenantView) -> Any:
    with as_region(EU):
        check_key(tenant_id=tenant.id, region=EU)
    return api.get(f"/tenants/{tenant.slug}/drift")


def test_a_tenant_without_drift_says_when_it_was_compared(api: Api, globex: TenantView) -> None:
    assert api.get(f"/tenants/{globex.slug}/drift")["keys"][0]["checked_at"] is None
    found = drift(api, globex)
    assert found["drifts"] is False
    assert found["keys"][0]["checked_at"].endswith("Z")


def test_drift_is_shown_with_its_difference_and_repaired_on_request(
    api: Api, globex: TenantView
) -> None:
    change_policy(globex, EU, lambda statements: statements.append(BACKDOOR))
    clients().kms(EU, Plane.ADMIN).delete_alias(AliasName=alias_of(globex.slug))
    found = drift(api, globex)
    assert found["drifts"] is True
    [policy, alias] = found["keys"][0]["drift"]
    assert (policy["what"], policy["severity"], policy["repairable"]) == (
        "policy",
        "critical",
        True,
    )
    [statement] = policy["statements"]
    assert (statement["sid"], statement["change"]) == ("Backdoor", "surplus")
    assert statement["text"] == "Backdoor should not be there: Allows everybody: kms:Decrypt."
    assert (alias["what"], alias["found"], alias["statements"]) == ("alias", "none", [])
    answer = api.send("POST", f"/tenants/{globex.slug}/repair", {})
    assert answer.status_code == 202, answer.content
    assert answer["Location"] == f"/api/v1/tenants/{globex.slug}/operations"
    run_plan(globex)
    assert api.get(f"/tenants/{globex.slug}/drift")["drifts"] is False


@pytest.mark.parametrize("body", [{"regions": "eu-west-1"}, {"enable": "yes"}, {"force": True}])
def test_a_bad_request_for_a_repair_is_refused(
    api: Api, globex: TenantView, body: dict[str, Any]
) -> None:
    problem(api.send("POST", f"/tenants/{globex.slug}/repair", body), 400, "input_invalid")


def test_a_repair_where_there_is_no_key_is_not_found(api: Api, globex: TenantView) -> None:
    answer = api.send("POST", f"/tenants/{globex.slug}/repair", {"regions": ["us-east-2"]})
    problem(answer, 404, "not_found")


def test_a_key_policy_is_shown_with_what_each_statement_means(api: Api, globex: TenantView) -> None:
    found = api.get(f"/tenants/{globex.slug}/key-policies/{EU}")
    [key] = list_regional_keys(globex.id)
    assert found["fingerprint"] == key.applied_fingerprint
    assert found["arn"] == key.arn
    meanings = {one["sid"]: one["meaning"] for one in found["statements"]}
    assert meanings["DecryptEuWest1"] == (
        "mrk-gateway-use-eu-west-1 decrypts data of this tenant of every classification."
    )
    assert [one["statement"] for one in found["statements"]] == found["document"]["Statement"]
    problem(api.send("GET", f"/tenants/{globex.slug}/key-policies/us-east-2"), 404, "not_found")


def an_orphan(**tags: str) -> OrphanKey:
    with fleet_scope("write"):
        return OrphanKey.objects.create(
            region=EU,
            arn=f"arn:aws:kms:{EU}:111122223333:key/mrk-{secrets.token_hex(16)}",
            key_state="Enabled",
            tags=tags,
        )


def test_keys_without_an_owner_are_listed_and_scheduled(api: Api) -> None:
    orphan = an_orphan()
    listed = {one["id"]: one for one in api.get("/orphan-keys")["orphan_keys"]}
    assert listed[str(orphan.id)]["arn"] == orphan.arn
    assert listed[str(orphan.id)]["resolution"] == ""
    answer = api.send("POST", f"/orphan-keys/{orphan.id}/schedule")
    assert (answer.status_code, answer.content) == (204, b"")
    listed = {one["id"]: one for one in api.get("/orphan-keys")["orphan_keys"]}
    assert listed[str(orphan.id)]["resolution"] == "scheduled"
    problem(api.send("POST", f"/orphan-keys/{orphan.id}/schedule"), 404, "not_found")
    problem(api.send("POST", f"/orphan-keys/{uuid4()}/schedule"), 404, "not_found")
    problem(api.send("POST", "/orphan-keys/nonsense/adopt"), 404, "not_found")


def test_a_key_that_no_tenant_waits_for_is_not_adopted(api: Api, globex: TenantView) -> None:
    orphan = an_orphan(**{"mrk-gateway:tenant-id": globex.id.hex})
    problem(api.send("POST", f"/orphan-keys/{orphan.id}/adopt"), 409, "orphan_not_free")


def test_none_of_it_is_for_tenant_apps(globex: TenantView) -> None:
    app = app_of(globex)
    for method, path in (
        ("GET", f"/tenants/{globex.slug}/drift"),
        ("POST", f"/tenants/{globex.slug}/repair"),
        ("GET", f"/tenants/{globex.slug}/key-policies/{EU}"),
        ("GET", "/orphan-keys"),
    ):
        problem(app.send(method, path), 401, "credential_kind_wrong")
