"""Pools, external keys and moves over HTTP."""

from __future__ import annotations

import json
import secrets
from typing import Any
from uuid import uuid4

import pytest

from tenants.selectors import TenantView, get_tenant, list_regional_keys
from tests.cast import Cast, run_plan
from tests.gateway.api import Api, operator, problem
from tests.tenants.external import key_owner

RULES = [{"region": "us-east-2"}, {"region": "eu-west-1"}]
OWNER = "444455556666"


@pytest.fixture(scope="module")
def api() -> Api:
    return operator()


@pytest.fixture(scope="module")
def pool(api: Api) -> TenantView:
    slug = f"pool-{secrets.token_hex(4)}"
    body = {"slug": slug, "name": "Small ones", "home_region": "us-east-2", "region_rules": RULES}
    started = api.post("/pools", body, expect=202)
    assert (started["tenant"]["kind"], started["tenant"]["state"]) == ("pool", "onboarding")
    run_plan(get_tenant(slug))
    return get_tenant(slug)


def tenant(**changed: Any) -> dict[str, Any]:
    slug = f"umbrella-{secrets.token_hex(4)}"
    return {"slug": slug, "name": "U", "home_region": "us-east-2", "region_rules": RULES} | changed


def test_a_tenant_joins_a_pool_and_gets_a_key_of_its_own(api: Api, pool: TenantView) -> None:
    body = tenant(tier="pooled", pool=pool.slug)
    api.post("/tenants", body, expect=202)
    run_plan(get_tenant(body["slug"]))
    found = api.get(f"/tenants/{body['slug']}")
    assert (found["tier"], found["pool"], found["previous_keys"]) == ("pooled", pool.slug, [])
    assert found["key_id"] == api.get(f"/tenants/{pool.slug}")["key_id"]
    [mine] = [one for one in api.get("/pools")["pools"] if one["slug"] == pool.slug]
    assert (mine["tenants"], mine["regions"]) == (1, ["eu-west-1", "us-east-2"])
    rule = {"may_encrypt": False, "may_decrypt": []}
    answer = api.send("PUT", f"/tenants/{body['slug']}/region-rules/us-east-2", rule)
    assert "dedicated" in problem(answer, 409, "needs_dedicated_key")["detail"]
    started = api.post(f"/tenants/{body['slug']}/key-move", {"tier": "dedicated"}, expect=202)
    assert started["progress"].endswith("/operations")
    run_plan(get_tenant(body["slug"]))
    found = api.get(f"/tenants/{body['slug']}")
    assert (found["tier"], found["pool"], found["previous_keys"]) == ("dedicated", "", [])


def test_pools_are_no_customers(api: Api, pool: TenantView) -> None:
    assert pool.slug not in json.dumps(api.get(f"/tenants?after={pool.slug[:-1]}&limit=200"))
    for path, body in (
        ("api-keys", {"name": "x", "scopes": ["records:read"]}),
        ("members", {"email": "a@b.org", "role": "owner", "password": "correct horse battery"}),
        ("key-move", {"tier": "dedicated"}),
    ):
        problem(api.send("POST", f"/tenants/{pool.slug}/{path}", body), 409, "tenant_is_pool")


def test_a_new_tenant_brings_its_own_key(api: Api) -> None:
    policy = api.post("/external-key/policy", {"region_rules": RULES})
    tenant_id = policy["tenant_id"]
    documents = {one["region"]: one["document"] for one in policy["policies"]}
    assert sorted(documents) == ["eu-west-1", "us-east-2"]
    arn = key_owner().make_key(documents, ("us-east-2", "eu-west-1"))
    tried = {"arn": str(arn), "accounts": [OWNER], "tenant_id": tenant_id, "region_rules": RULES}
    report = api.post("/external-key/test", tried)
    assert (report["is_proven"], report["region"]) == (True, "us-east-2")
    key = {"arn": str(arn), "accounts": [OWNER], "tenant_id": tenant_id}
    body = tenant(tier="external", external_key=key)
    assert api.post("/tenants", body, expect=202)["tenant"]["id"] == tenant_id
    run_plan(get_tenant(body["slug"]))
    found = api.get(f"/tenants/{body['slug']}")
    assert (found["tier"], found["key_id"], found["tenant"]["state"]) == (
        "external",
        arn.key_id,
        "active",
    )
    again = api.get(f"/tenants/{body['slug']}/external-key/policy")
    assert {one["region"]: one["document"] for one in again["policies"]} == documents
    key_owner().paste(arn, None)
    report = api.post(f"/tenants/{body['slug']}/external-key/test", {"arn": str(arn)})
    assert not report["is_proven"]
    wrong = [one for one in report["findings"] if one["advice"]]
    assert "MrkGatewayEncryptUsEast2" in wrong[0]["statement"]


def test_a_key_that_another_tenant_has_is_refused_and_nothing_is_told(api: Api) -> None:
    globex = Cast().globex()
    arn = list_regional_keys(globex.id)[0].arn
    path = f"/tenants/{Cast().globex().slug}"
    key = {"arn": arn, "accounts": [arn.split(":")[4]]}
    document = problem(
        api.send("POST", f"{path}/key-move", {"tier": "external", "external_key": key}),
        409,
        "external_key_refused",
    )
    assert globex.slug not in json.dumps(document)
    problem(api.send("POST", f"{path}/external-key/test", key), 409, "external_key_refused")


@pytest.mark.parametrize(
    "changed",
    [
        {"tier": "pooled"},
        {"tier": "pooled", "pool": "no-such-pool"},
        {"pool": "small"},
        {"tier": "external"},
        {"tier": "silver"},
        {"tier": "external", "external_key": {"arn": "alias/x", "accounts": [OWNER]}},
        {"tier": "external", "external_key": {"arn": "x", "accounts": ["12"]}},
        {"external_key": {"arn": "x"}},
    ],
)
def test_a_choice_of_keys_with_a_fault_is_refused(api: Api, changed: dict[str, Any]) -> None:
    body = tenant(**changed)
    assert problem(api.send("POST", "/tenants", body), 400, "input_invalid")["problems"]
    problem(api.send("GET", f"/tenants/{body['slug']}"), 404, "not_found")


def test_forgetting_wants_to_be_meant(api: Api) -> None:
    path = f"/tenants/{Cast().globex().slug}/previous-keys/forget"
    problem(api.send("POST", path, {}), 400, "input_invalid")
    said = {"values_are_encrypted_anew": False}
    problem(api.send("POST", path, said), 400, "input_invalid")
    problem(api.send("POST", path, {"values_are_encrypted_anew": True}), 404, "not_found")


def test_a_region_without_a_rule_is_not_tried(api: Api) -> None:
    body = {
        "arn": f"arn:aws:kms:eu-west-1:{OWNER}:key/mrk-0123456789abcdef0123456789abcdef",
        "accounts": [OWNER],
        "tenant_id": str(uuid4()),
        "region_rules": [{"region": "eu-west-1"}],
    }
    document = problem(api.send("POST", "/external-key/test", body), 400, "input_invalid")
    assert document["problems"][0]["at"] == "/region_rules"
