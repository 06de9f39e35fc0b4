"""Plans over HTTP: all of a tenant's, one of them, and cancelling it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tenants.selectors import TenantView, get_progress
from tenants.services.verification import start_verification
from tests.cast import OPERATOR, Cast
from tests.gateway.api import Api, operator, problem


@pytest.fixture(scope="module")
def api() -> Api:
    return operator()


@pytest.fixture(scope="module")
def acme() -> TenantView:
    """With two plans."""
    found = Cast().acme()
    start_verification(tenant_id=found.id, actor=OPERATOR)
    return found


def test_plans_page_newest_first(api: Api, acme: TenantView) -> None:
    page = api.get(f"/tenants/{acme.slug}/plans?limit=1")
    assert [line["plan"] for line in page["plans"]] == ["verification"]
    rest = api.get(f"/tenants/{acme.slug}/plans?limit=1&before={page['next']}")
    [line] = rest["plans"]
    assert (line["plan"], line["done"], line["total"], line["is_finished"]) == (
        "onboarding",
        14,
        14,
        True,
    )
    assert line["finished_at"].endswith("Z")
    assert rest["next"] is None


def test_one_plan_shows_its_steps(api: Api, acme: TenantView) -> None:
    older = api.get(f"/tenants/{acme.slug}/plans")["plans"][1]
    plan = api.get(f"/tenants/{acme.slug}/plans/{older['plan_id']}")
    assert plan["operations"][0]["kind"] == "create_primary_key"
    assert plan["operations"][0]["total"] is None
    assert (plan["cancelled"], plan["paused"]) == (0, 0)


def test_a_plan_is_cancelled_once(api: Api) -> None:
    initech = Cast().initech()
    path = f"/tenants/{initech.slug}/plans/{get_progress(initech.id).plan_id}/cancel"
    plan = api.post(path)
    assert (plan["cancelled"], plan["is_finished"]) == (14, True)
    problem(api.send("POST", path), 409, "plan_finished")


def test_a_plan_that_is_none_or_anothers_is_not_found(api: Api, acme: TenantView) -> None:
    theirs = get_progress(acme.id).plan_id
    initech = Cast().initech()
    for plan in (theirs, uuid4(), "newest"):
        path = f"/tenants/{initech.slug}/plans/{plan}"
        problem(api.send("GET", path), 404, "not_found")
        problem(api.send("POST", f"{path}/cancel"), 404, "not_found")
