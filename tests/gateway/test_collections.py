"""Collections and /me over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tenants.states import ApiScope
from tests.callers import PEOPLE, HasId
from tests.cast import Cast
from tests.gateway.api import Api, app_of, problem


@pytest.fixture(scope="module")
def tenant() -> HasId:
    return Cast().acme()


@pytest.fixture(scope="module")
def acme(tenant: HasId) -> Api:
    return app_of(tenant)


def test_a_collection_is_new_once_and_the_same_again_is_no_error(acme: Api) -> None:
    first = acme.send("PUT", "/collections/people", {"schema": PEOPLE})
    assert first.status_code == 201
    assert first["Location"] == "/api/v1/collections/people"
    again = acme.send("PUT", "/collections/people", {"schema": PEOPLE})
    assert again.status_code == 200
    assert json.loads(again.content) == json.loads(first.content)
    assert acme.get("/collections/people") == json.loads(first.content)
    assert "people" in [one["name"] for one in acme.get("/collections")["collections"]]


def test_another_schema_under_a_known_name_is_a_conflict(acme: Api) -> None:
    acme.send("PUT", "/collections/fixed", {"schema": PEOPLE})
    other = {"fields": [{"name": "a", "type": "string", "protection": "clear"}]}
    problem(acme.send("PUT", "/collections/fixed", {"schema": other}), 409, "collection_exists")


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("Upper", PEOPLE),
        ("x" * 65, PEOPLE),
        ("ok", {}),
        ("ok", {"fields": []}),
        ("ok", {"fields": "x"}),
        ("ok", {"fields": [{"name": "a", "type": "strnig", "protection": "clear"}]}),
        ("ok", {"fields": [{"name": "a", "type": "string", "protection": "sealed"}]}),
        ("ok", {"fields": [{"name": "a", "type": "string", "protection": "clear"}] * 2}),
        ("ok", {**PEOPLE, "surplus": 1}),
    ],
)
def test_a_schema_with_a_fault_names_its_place(acme: Api, name: str, document: Any) -> None:
    answer = acme.send("PUT", f"/collections/{name}", {"schema": document})
    assert problem(answer, 400, "input_invalid")["problems"]
    problem(acme.send("GET", f"/collections/{name}"), 404, "collection_not_found")


def test_me_says_whose_credential_it_is_and_what_it_is_good_for(tenant: HasId) -> None:
    api = app_of(tenant, ApiScope.RECORDS_READ)
    answer = api.send("GET", "/me")
    assert answer["Gateway-Region"] == "us-east-2"
    me = json.loads(answer.content)
    assert me["tenant_id"] == str(tenant.id)
    assert (me["state"], me["region"]) == ("active", "us-east-2")
    assert me["scopes"] == ["records:read"]
    assert [rule["region"] for rule in me["region_rules"]] == [
        "eu-west-1", "us-east-2", "us-west-1",
    ]  # fmt: skip
    assert me["region_rules"][0] == {
        "region": "eu-west-1", "may_encrypt": True, "may_decrypt": ["*"],
    }  # fmt: skip


def test_me_answers_before_the_tenant_is_active_and_records_do_not(cast: Cast) -> None:
    api = app_of(cast.initech())
    assert api.get("/me")["state"] == "onboarding"
    problem(api.send("PUT", "/collections/people", {"schema": PEOPLE}), 409, "tenant_not_active")
