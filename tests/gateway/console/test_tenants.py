"""The list of tenants, and the form that onboards one."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from django.test import Client

from gateway.console.views import tenants as view
from tenants.errors import NotFound
from tenants.selectors import get_progress, get_tenant, list_audit_events, list_region_rules
from tests.cast import EVERYWHERE, Cast
from tests.gateway.console.people import as_operator


@pytest.fixture
def operator() -> Client:
    return as_operator()


def form(**changes: Any) -> dict[str, Any]:
    slug = f"hooli-{secrets.token_hex(4)}"
    given: dict[str, Any] = {
        "name": "Hooli",
        "slug": slug,
        "home_region": "us-east-2",
        "regions": list(EVERYWHERE),
    }
    for region in EVERYWHERE:
        given |= {f"{region}-may_encrypt": "on", f"{region}-decrypt": "all", f"{region}-labels": ""}
    return {name: value for name, value in (given | changes).items() if value is not None}


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_good_form_plans_the_onboarding_and_shows_it(operator: Client) -> None:
    given = form(
        **{
            "us-west-1-decrypt": "some",
            "us-west-1-listed": ["pii"],
            "us-west-1-labels": "payroll, board ,",
            "eu-west-1-may_encrypt": None,
            "eu-west-1-decrypt": "none",
        }
    )
    answer = operator.post("/console/onboard/", given)
    assert answer["Location"] == f"/console/tenants/{given['slug']}/"
    tenant = get_tenant(given["slug"])
    rules = {
        rule.region: (rule.may_encrypt, rule.may_decrypt) for rule in list_region_rules(tenant.id)
    }
    assert rules == {
        "us-east-2": (True, ("*",)),
        "us-west-1": (True, ("board", "payroll", "pii")),
        "eu-west-1": (False, ()),
    }
    assert get_progress(tenant.id).total > 0
    page = text(operator.get(answer["Location"]))
    assert "Onboarding of Hooli has started." in page
    assert "is under way" in page
    (event,) = list_audit_events(tenant.id, before=None, limit=1)
    assert event.actor_kind == "operator"


def test_a_region_that_is_not_chosen_needs_no_rule(operator: Client) -> None:
    given = form(regions=["us-east-2"], **{"eu-west-1-decrypt": "some"})
    operator.post("/console/onboard/", given)
    tenant = get_tenant(given["slug"])
    assert [rule.region for rule in list_region_rules(tenant.id)] == ["us-east-2"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"slug": "Ab"}, "Lower-case letters, digits and hyphens, 3 to 40 characters."),
        ({"slug": ""}, "This field is required."),
        ({"name": " "}, "This field is required."),
        ({"regions": []}, "Choose at least one Region."),
        ({"regions": ["mars-1"]}, "Select a valid choice."),
        (
            {"home_region": "eu-west-1", "regions": ["us-east-2"]},
            "The home Region must be one of the chosen",
        ),
        ({"us-west-1-decrypt": "some"}, "List at least one classification, or choose Nothing."),
        (
            {"us-west-1-decrypt": "some", "us-west-1-labels": "Pay Roll"},
            "Must be * alone, or classifications",
        ),
        (
            {f"{region}-may_encrypt": None for region in EVERYWHERE},
            "must let at least one Region encrypt",
        ),
    ],
)
def test_a_form_with_a_fault_says_which_and_makes_nothing(
    operator: Client, changes: dict[str, Any], said: str
) -> None:
    given = form(**changes)
    answer = operator.post("/console/onboard/", given)
    assert answer.status_code == 422
    assert said in text(answer)
    with pytest.raises(NotFound):
        get_tenant(given["slug"])


def test_all_faults_are_shown_at_once(operator: Client) -> None:
    answer = operator.post("/console/onboard/", form(name="", **{"eu-west-1-decrypt": "some"}))
    assert "This field is required." in text(answer)
    assert "List at least one classification" in text(answer)


def test_a_slug_that_is_taken_is_said_at_the_slug_and_what_was_typed_stays(
    operator: Client,
) -> None:
    taken = Cast().initech()
    answer = operator.post("/console/onboard/", form(slug=taken.slug, name="Somebody else"))
    assert answer.status_code == 422
    assert "A tenant of this slug exists" in text(answer)
    assert "Somebody else" in text(answer)


def test_the_list_finds_by_slug_and_by_name_whatever_the_case(operator: Client) -> None:
    tenant = Cast().initech()
    for search in (tenant.slug, tenant.slug.upper(), tenant.slug[3:]):
        assert tenant.slug in text(operator.get("/console/", {"q": search}))
    assert "No tenant matches this search." in text(
        operator.get("/console/", {"q": "no-such-tenant"})
    )


@pytest.mark.parametrize("search", ["\x00", "%", "'; drop table", "é" * 500])
def test_no_search_breaks_the_list(operator: Client, search: str) -> None:
    assert operator.get("/console/", {"q": search, "after": search}).status_code == 200


def test_the_list_goes_on_where_the_page_ended(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "TENANTS_A_PAGE", 1)
    stem = f"paged-{secrets.token_hex(4)}"
    for number in (1, 2):
        operator.post("/console/onboard/", form(slug=f"{stem}-{number}"))
    first = text(operator.get("/console/", {"q": stem}))
    assert f"{stem}-1" in first
    assert f"tenants/{stem}-2" not in first
    assert f"?q={stem}&amp;after={stem}-1" in first
    second = text(operator.get("/console/", {"q": stem, "after": f"{stem}-1"}))
    assert f"tenants/{stem}-2" in second
    assert "Next page" not in second


def test_the_list_refreshes_itself_only_while_something_is_unfinished(operator: Client) -> None:
    cast = Cast()
    moving, settled = cast.initech(), cast.globex()
    assert "data-live" in text(operator.get("/console/", {"q": moving.slug}))
    assert "data-live" not in text(operator.get("/console/", {"q": settled.slug}))


def test_htmx_gets_the_moving_part_alone(operator: Client) -> None:
    tenant = Cast().initech()
    for url, target in (("/console/", "fleet"), (f"/console/tenants/{tenant.slug}/", "overview")):
        part = text(operator.get(url, headers={"HX-Request": "true", "HX-Target": target}))
        assert part.startswith(f'<div id="{target}"')
        assert "<html" not in part
