"""The operator's side over HTTP: onboard, follow, change rules, verify, keys, members, audit."""

from __future__ import annotations

import json
import secrets
from typing import Any
from uuid import UUID, uuid4

import pytest

from tenants.selectors import TenantView, get_tenant
from tests.cast import Cast, run_plan
from tests.gateway.api import Api, app_of, operator, problem

REGIONS = [{"region": "us-east-2"}, {"region": "eu-west-1", "may_decrypt": ["pii"]}]


@pytest.fixture(scope="module")
def api() -> Api:
    return operator()


@pytest.fixture(scope="module")
def acme() -> TenantView:
    return Cast().acme()


def new_tenant(**changed: Any) -> dict[str, Any]:
    slug = f"umbrella-{secrets.token_hex(4)}"
    return {
        "slug": slug, "name": "Umbrella", "home_region": "us-east-2", "region_rules": REGIONS, **changed,
    }  # fmt: skip


def test_a_tenant_is_onboarded_and_its_progress_followed_to_the_end(api: Api) -> None:
    body = new_tenant()
    answer = api.send("POST", "/tenants", body)
    assert answer.status_code == 202, answer.content
    assert answer["Location"] == f"/api/v1/tenants/{body['slug']}"
    started = json.loads(answer.content)
    assert started["tenant"]["state"] == "onboarding"
    progress = api.get(started["progress"].removeprefix("/api/v1"))
    assert (progress["plan"], progress["done"], progress["is_finished"]) == ("onboarding", 0, False)
    assert progress["total"] == len(progress["operations"]) > 5
    assert progress["operations"][0]["error"] == {"code": "", "message": ""}
    run_plan(get_tenant(body["slug"]))
    found = api.get(f"/tenants/{body['slug']}")
    assert found["tenant"]["state"] == "active"
    assert found["progress"]["is_finished"] is True
    assert found["key_id"].startswith("mrk-")
    keys = {key["region"]: key for key in found["regional_keys"]}
    assert set(keys) == {"us-east-2", "eu-west-1"}
    assert keys["us-east-2"]["role"] == "primary"
    assert keys["eu-west-1"]["key_state"] == "Enabled"
    assert keys["eu-west-1"]["policy_in_force"] is True
    assert keys["eu-west-1"]["verified_at"].endswith("Z")
    rules = {rule["region"]: rule["may_decrypt"] for rule in found["region_rules"]}
    assert rules == {"us-east-2": ["*"], "eu-west-1": ["pii"]}


def test_the_same_tenant_again_is_no_error_and_another_content_is(api: Api) -> None:
    body = new_tenant()
    first = api.post("/tenants", body, expect=202)
    assert api.post("/tenants", body, expect=202)["tenant"]["id"] == first["tenant"]["id"]
    problem(api.send("POST", "/tenants", {**body, "name": "Other"}), 409, "tenant_exists")


@pytest.mark.parametrize(
    "changed",
    [
        {"slug": "Umbrella"},
        {"slug": ""},
        {"slug": "a"},
        {"slug": "x" * 41},
        {"slug": "a\x00b"},
        {"slug": "../etc"},
        {"name": ""},
        {"name": "a\x00b"},
        {"name": 5},
        {"home_region": "mars-north-1"},
        {"home_region": "us-west-1"},
        {"region_rules": []},
        {"region_rules": [{"region": "us-east-2"}, {"region": "us-east-2"}]},
        {"region_rules": [{"region": "us-east-2"}, {"region": "mars-north-1"}]},
        {"region_rules": [{"region": "us-east-2", "may_decrypt": "*"}]},
        {"region_rules": [{"region": "us-east-2", "may_decrypt": ["p i i"]}]},
        {"region_rules": [{"region": "us-east-2", "may_encrypt": "yes"}]},
        {"region_rules": ["us-east-2"]},
        {"surplus": True},
        {"state": "active"},
    ],
)
def test_a_tenant_with_a_fault_is_refused_with_its_place(api: Api, changed: dict[str, Any]) -> None:
    body = new_tenant(**changed)
    document = problem(api.send("POST", "/tenants", body), 400, "input_invalid")
    assert document["problems"]
    if isinstance(body["slug"], str) and body["slug"].startswith("umbrella"):
        problem(api.send("GET", f"/tenants/{body['slug']}"), 404, "not_found")


def test_lists_of_tenants_page_by_slug(api: Api) -> None:
    stem = f"page{secrets.token_hex(3)}"
    slugs = [f"{stem}-{number}" for number in range(3)]
    for slug in slugs:
        api.post("/tenants", new_tenant(slug=slug), expect=202)
    page = api.get(f"/tenants?after={stem}&limit=2")
    assert [line["tenant"]["slug"] for line in page["tenants"]] == slugs[:2]
    assert page["tenants"][0]["regions"] == ["us-east-2", "eu-west-1"]
    assert page["tenants"][0]["done"] == 0
    assert page["tenants"][0]["total"] > 5
    rest = api.get(f"/tenants?after={page['next']}&limit=1")
    assert [line["tenant"]["slug"] for line in rest["tenants"]] == slugs[2:]


def test_a_region_rule_is_changed_by_a_plan(api: Api, acme: TenantView) -> None:
    rule = {"may_encrypt": False, "may_decrypt": ["pci", "pii"]}
    answer = api.send("PUT", f"/tenants/{acme.slug}/region-rules/us-west-1", rule)
    assert answer.status_code == 202, answer.content
    assert answer["Location"] == f"/api/v1/tenants/{acme.slug}/operations"
    progress = api.get(f"/tenants/{acme.slug}/operations")
    assert progress["plan_id"] == json.loads(answer.content)["plan_id"]
    assert progress["plan"] == "rule_change"
    found = api.get(f"/tenants/{acme.slug}")
    assert {"region": "us-west-1", **rule} in found["region_rules"]
    assert found["tenant"]["key_epoch"] == acme.key_epoch + 1
    run_plan(acme)
    assert api.get(f"/tenants/{acme.slug}/operations")["is_finished"] is True


@pytest.mark.parametrize(
    ("region", "body"),
    [
        ("us-west-1", {"may_encrypt": True}),
        ("us-west-1", {"may_encrypt": 1, "may_decrypt": []}),
        ("us-west-1", {"may_encrypt": True, "may_decrypt": [""]}),
        ("us-west-1", {"may_encrypt": True, "may_decrypt": ["*"], "region": "eu-west-1"}),
    ],
)
def test_a_rule_with_a_fault_changes_nothing(
    api: Api, acme: TenantView, region: str, body: object
) -> None:
    before = api.get(f"/tenants/{acme.slug}")
    answer = api.send("PUT", f"/tenants/{acme.slug}/region-rules/{region}", body)
    problem(answer, 400, "input_invalid")
    assert api.get(f"/tenants/{acme.slug}") == before


def test_a_rule_for_a_region_that_the_tenant_is_not_in_is_not_found(
    api: Api, acme: TenantView
) -> None:
    rule = {"may_encrypt": True, "may_decrypt": []}
    for region in ("mars-north-1", "%00", "us-gov-east-1", "*"):
        answer = api.send("PUT", f"/tenants/{acme.slug}/region-rules/{region}", rule)
        problem(answer, 404, "not_found")


def test_verification_is_planned(api: Api) -> None:
    tenant = Cast().globex()
    started = api.post(f"/tenants/{tenant.slug}/verification", expect=202)
    progress = api.get(f"/tenants/{tenant.slug}/operations")
    assert (progress["plan_id"], progress["plan"]) == (started["plan_id"], "verification")
    run_plan(tenant)
    assert api.get(f"/tenants/{tenant.slug}/operations")["is_finished"] is True


def test_only_a_failed_operation_can_be_retried(api: Api, acme: TenantView) -> None:
    done = api.get(f"/tenants/{acme.slug}/operations")["operations"][0]["id"]
    path = f"/tenants/{acme.slug}/operations"
    problem(api.send("POST", f"{path}/{done}/retry"), 409, "operation_not_retryable")
    problem(api.send("POST", f"{path}/{uuid4()}/retry"), 404, "not_found")
    for text in ("x", "0", "{" + done + "}", done.replace("-", ""), f"urn:uuid:{done}"):
        problem(api.send("POST", f"{path}/{text}/retry"), 404, "not_found")


def test_an_api_key_is_issued_shown_and_revoked(api: Api, acme: TenantView) -> None:
    path = f"/tenants/{acme.slug}/api-keys"
    body = {"name": "ci", "scopes": ["records:read"], "expires_at": "2031-01-01T00:00:00+02:00"}
    answer = api.send("POST", path, body)
    assert answer.status_code == 201, answer.content
    issued = json.loads(answer.content)
    token, key = issued["token"], issued["api_key"]
    assert key["shown"] == token[:12]
    assert key["expires_at"] == "2030-12-31T22:00:00Z"
    one = answer["Location"].removeprefix("/api/v1")
    shown = api.send("GET", path).content + api.send("GET", one).content
    assert token.encode() not in shown
    assert api.get(one) == key
    app = Api(token)
    app.seen = api.seen
    assert app.get("/me")["tenant"] == acme.slug
    assert api.send("DELETE", one).status_code == 204
    assert api.send("DELETE", one).status_code == 204
    app.seen = api.seen
    problem(app.send("GET", "/me"), 401, "credential_invalid")
    assert api.get(one)["revoked_at"]


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": "records:read"},
        {"expires_at": "tomorrow"},
        {"expires_at": "2031-01-01T00:00:00"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": 1893456000},
        {"expires_at": "9999-12-31T23:59:59-12:00"},
        {"expires_at": "0001-01-01T00:00:00+12:00"},
        {"tenant": "globex"},
    ],
)
def test_an_api_key_with_a_fault_is_not_issued(
    api: Api, acme: TenantView, changed: dict[str, Any]
) -> None:
    path = f"/tenants/{acme.slug}/api-keys"
    before = api.get(path)
    body = {"name": "ci", "scopes": ["records:read"], **changed}
    problem(api.send("POST", path, body), 400, "input_invalid")
    assert api.get(path) == before


def test_a_member_is_added_once(api: Api, acme: TenantView) -> None:
    path = f"/tenants/{acme.slug}/members"
    email = f"{secrets.token_hex(4)}@example.org"
    body = {"email": email, "role": "auditor", "password": "correct horse battery"}
    member = api.post(path, body, expect=201)
    assert (member["email"], member["role"]) == (email, "auditor")
    assert "password" not in member
    assert member in api.get(path)["members"]
    assert api.send("POST", path, body).status_code in (201, 409)
    assert [one["email"] for one in api.get(path)["members"]].count(email) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"email": "no address"},
        {"email": ""},
        {"role": "king"},
        {"password": "short"},
        {"is_operator": True},
    ],
)
def test_a_member_with_a_fault_is_not_added(
    api: Api, acme: TenantView, changed: dict[str, Any]
) -> None:
    path = f"/tenants/{acme.slug}/members"
    body = {"email": f"{secrets.token_hex(4)}@example.org", "role": "auditor", **changed}
    answer = api.send("POST", path, {"password": "correct horse battery", **body})
    problem(answer, 400, "input_invalid")
    assert body["email"] not in [one["email"] for one in api.get(path)["members"]]
    assert b"horse" not in answer.content


def test_audit_events_name_the_actor_and_the_request(api: Api, acme: TenantView) -> None:
    path = f"/tenants/{acme.slug}/api-keys"
    answer = api.send("POST", path, {"name": "audited", "scopes": ["records:read"]})
    events = api.get(f"/tenants/{acme.slug}/audit-events?limit=5")["events"]
    event = events[0]
    assert event["request_id"] == answer["X-Request-ID"]
    assert (event["actor_kind"], event["region"]) == ("operator", "us-east-2")
    assert UUID(event["actor_id"]).version == 7
    assert json.loads(answer.content)["token"] not in json.dumps(events)


def test_audit_events_page_backwards(api: Api, acme: TenantView) -> None:
    path = f"/tenants/{acme.slug}/audit-events"
    everything = api.get(path + "?limit=200")
    first = api.get(path + "?limit=2")
    second = api.get(f"{path}?limit=2&before={first['next']}")
    assert first["events"] + second["events"] == everything["events"][:4]
    assert everything["next"] is None
    problem(api.send("GET", path + "?before=x"), 400, "input_invalid")


def test_a_tenant_that_is_not_there_is_not_found_on_every_path(api: Api) -> None:
    rule = {"may_encrypt": True, "may_decrypt": []}
    key = {"name": "x", "scopes": ["records:read"]}
    member = {"email": "a@example.org", "role": "auditor"}
    for method, path, body in [
        ("GET", "", None),
        ("GET", "/operations", None),
        ("POST", f"/operations/{uuid4()}/retry", None),
        ("PUT", "/region-rules/us-east-2", rule),
        ("POST", "/verification", None),
        ("GET", "/api-keys", None),
        ("POST", "/api-keys", key),
        ("GET", f"/api-keys/{uuid4()}", None),
        ("DELETE", f"/api-keys/{uuid4()}", None),
        ("GET", "/members", None),
        ("POST", "/members", member),
        ("GET", "/audit-events", None),
    ]:
        for slug in ("absent", "Absent", "%00", "a%0Ab", "x" * 300):
            problem(api.send(method, f"/tenants/{slug}{path}", body), 404, "not_found")


def test_an_operator_reads_a_half_onboarded_tenant(api: Api) -> None:
    initech = Cast().initech()
    found = api.get(f"/tenants/{initech.slug}")
    assert found["key_id"] == ""
    assert app_of(initech).get("/me")["state"] == "onboarding"
