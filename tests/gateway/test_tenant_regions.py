"""Regions over HTTP: added, removed, kept after all, and the primary moved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tenants.selectors import TenantView
from tests.cast import EVERYWHERE, Cast, as_region, run_due, run_plan
from tests.gateway.api import Api, app_of, operator, problem
from tests.tenants.standing import stands_in

US, WEST, EU = EVERYWHERE


@pytest.fixture(scope="module")
def api() -> Api:
    return operator()


@pytest.fixture
def acme(cast: Cast) -> TenantView:
    """In two Regions."""
    return cast.onboard("acme", (US, EU), US, {})


def started(api: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = api.send(method, path, body)
    assert answer.status_code == 202, answer.content
    found: dict[str, Any] = json.loads(answer.content)
    assert answer["Location"] == found["progress"]
    return found


def test_a_region_is_added_and_answers_that_it_is_not_ready_until_it_is(
    api: Api, acme: TenantView
) -> None:
    path = f"/tenants/{acme.slug}/regions"
    app = app_of(acme)
    plan = started(api, "POST", path, {"region": WEST, "may_decrypt": ["pii"]})
    assert started(api, "POST", path, {"region": WEST, "may_decrypt": ["pii"]}) == plan
    with as_region(WEST):
        document = problem(app.send("GET", "/collections"), 503, "region_not_ready")
    assert document["retryable"]
    app.get("/collections")
    run_plan(acme)
    stands_in(acme, EVERYWHERE)
    with as_region(WEST):
        app.get("/collections")
    again = api.send("POST", path, {"region": WEST, "may_decrypt": ["pii"]})
    assert (again.status_code, json.loads(again.content)) == (
        200,
        {"tenant": f"/api/v1/tenants/{acme.slug}"},
    )
    problem(api.send("POST", path, {"region": WEST}), 409, "conflict")


@pytest.mark.parametrize(
    "body",
    [{}, {"region": "mars-north-1"}, {"region": WEST, "may_decrypt": ["P I I"]}, {"region": WEST, "x": 1}],
)  # fmt: skip
def test_a_fault_is_named_and_nothing_is_added(api: Api, acme: TenantView, body: object) -> None:
    problem(api.send("POST", f"/tenants/{acme.slug}/regions", body), 400, "input_invalid")
    stands_in(acme, (US, EU))


def test_a_region_is_removed_and_kept_after_all(api: Api, acme: TenantView) -> None:
    path = f"/tenants/{acme.slug}/regions/{EU}"
    started(api, "DELETE", f"{path}?waiting_days=7")
    app = app_of(acme)
    with as_region(EU):
        problem(app.send("GET", "/collections"), 403, "region_not_allowed")
    for _ in range(30):
        run_due(acme)
    [key] = [
        one for one in api.get(f"/tenants/{acme.slug}")["regional_keys"] if one["region"] == EU
    ]
    assert key["key_state"] == "PendingDeletion"
    assert key["deletion_date"].endswith("Z")
    started(api, "POST", f"{path}/cancel-removal")
    run_plan(acme)
    stands_in(acme, (US, EU))
    problem(api.send("POST", f"{path}/cancel-removal"), 404, "not_found")


@pytest.mark.parametrize("days", ["6", "31", "x"])
def test_the_wait_is_a_week_to_a_month(api: Api, acme: TenantView, days: str) -> None:
    answer = api.send("DELETE", f"/tenants/{acme.slug}/regions/{EU}?waiting_days={days}")
    problem(answer, 400, "input_invalid")


def test_the_primary_moves_and_its_region_cannot_be_removed(api: Api, acme: TenantView) -> None:
    answer = api.send("DELETE", f"/tenants/{acme.slug}/regions/{US}")
    problem(answer, 409, "region_not_dispensable")
    path = f"/tenants/{acme.slug}/primary-region"
    started(api, "POST", path, {"region": EU})
    problem(api.send("DELETE", f"/tenants/{acme.slug}/regions/{US}"), 409, "plan_under_way")
    run_plan(acme)
    stands_in(acme, (US, EU), primary=EU)
    assert api.get(f"/tenants/{acme.slug}")["tenant"]["home_region"] == EU
    assert api.send("POST", path, {"region": EU}).status_code == 200
    problem(api.send("POST", path, {"region": WEST}), 404, "not_found")


def test_a_tenants_own_app_changes_no_regions(acme: TenantView) -> None:
    app = app_of(acme)
    for method, path in (
        ("POST", "regions"),
        ("DELETE", f"regions/{EU}"),
        ("POST", f"regions/{EU}/cancel-removal"),
        ("POST", "primary-region"),
    ):
        answer = app.send(method, f"/tenants/{acme.slug}/{path}", {"region": WEST})
        assert answer.status_code in (401, 403), answer.content
    stands_in(acme, (US, EU))
