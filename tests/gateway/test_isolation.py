"""One tenant's credential and another tenant's things, on every endpoint of the URL list."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tenants.selectors import TenantView, list_api_keys
from tests.callers import PEOPLE
from tests.cast import EVERYWHERE, Cast
from tests.gateway.api import Api, app_of, operator, problem
from tests.gateway.endpoints import Endpoint, endpoints
from tests.gateway.rows import rows_of
from tests.stack import Stack

ANN = {"name": "Ann", "email": "ann@example.org", "ssn": "078-05-1120"}
APP = [one for one in endpoints() if "{collection}" in one.template]


@pytest.fixture(scope="module")
def acme() -> tuple[TenantView, Api]:
    """The victim, with a collection and a record."""
    tenant = Cast().acme()
    api = app_of(tenant)
    assert api.send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    api.post("/collections/people/records", {"id": "ann", "fields": ANN}, expect=201)
    return tenant, api


@pytest.fixture(scope="module")
def hooli() -> tuple[TenantView, Api]:
    """The attacker: active in the same Regions, with a good key, and nothing stored."""
    tenant = Cast().onboard("hooli", EVERYWHERE, "us-east-2", {})
    return tenant, app_of(tenant)


def attack(endpoint: Endpoint, api: Api) -> Any:
    path = endpoint.path(collection="people", record_id="ann")
    answer = api.send(endpoint.method, path, endpoint.body)
    assert b"078-05" not in answer.content
    assert b"ann@example.org" not in answer.content
    return answer


def test_the_url_list_has_the_endpoints_that_this_file_attacks() -> None:
    assert len(APP) == 12


@pytest.mark.parametrize(
    "endpoint",
    # Defining a collection makes one of the caller's own: the next test does it.
    [one for one in APP if one.operation.name != "defineCollection"],
    ids=lambda endpoint: endpoint.operation.name,
)
def test_anothers_collection_is_not_there(
    acme: tuple[TenantView, Api], hooli: tuple[TenantView, Api], endpoint: Endpoint, stack: Stack
) -> None:
    before = rows_of(stack, acme[0])
    problem(attack(endpoint, hooli[1]), 404, "collection_not_found")
    assert rows_of(stack, acme[0]) == before


def test_with_a_collection_of_the_same_name_anothers_records_are_not_there_either(
    acme: tuple[TenantView, Api], hooli: tuple[TenantView, Api], stack: Stack
) -> None:
    before = rows_of(stack, acme[0])
    assert hooli[1].send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    seen = {endpoint.operation.name: attack(endpoint, hooli[1]) for endpoint in APP}
    assert rows_of(stack, acme[0]) == before
    problem(seen["getRecord"], 404, "record_not_found")
    assert json.loads(seen["readRecords"].content)["results"][0]["status"] == 404
    assert json.loads(seen["searchRecords"].content) == {"records": [], "next": None}
    assert seen["createRecord"].status_code == 201
    # What is put under the same id is their own record, which is then changed and deleted.
    statuses = [seen[name].status_code for name in ("putRecord", "updateRecord", "deleteRecord")]
    assert statuses == [201, 200, 204]
    assert json.loads(seen["createRecords"].content)["results"][0]["status"] in (201, 409)


def test_the_same_id_and_the_same_unique_value_are_free_in_each_tenant(
    acme: tuple[TenantView, Api], hooli: tuple[TenantView, Api]
) -> None:
    hooli[1].send("PUT", "/collections/twins", {"schema": PEOPLE})
    acme[1].send("PUT", "/collections/twins", {"schema": PEOPLE})
    for _, api in (acme, hooli):
        api.post("/collections/twins/records", {"id": "ann", "fields": ANN}, expect=201)


def test_no_path_tells_a_tenant_of_another(
    acme: tuple[TenantView, Api], hooli: tuple[TenantView, Api]
) -> None:
    for endpoint in endpoints():
        if endpoint.for_operators:
            path = endpoint.path(
                slug=acme[0].slug,
                operation_id=str(uuid4()),
                orphan_key_id=str(uuid4()),
                plan_id=str(uuid4()),
                api_key_id=str(uuid4()),
                region="eu-west-1",
            )
            answer = hooli[1].send(endpoint.method, path, endpoint.body)
            problem(answer, 401, "credential_kind_wrong")
            assert str(acme[0].id).encode() not in answer.content
    for path in ("/me", "/collections"):
        assert acme[0].slug.encode() not in hooli[1].send("GET", path).content


def test_an_operators_path_of_one_tenant_does_not_reach_anothers_key_or_operation(
    acme: tuple[TenantView, Api], hooli: tuple[TenantView, Api], stack: Stack
) -> None:
    api = operator()
    before = rows_of(stack, acme[0])
    key = list_api_keys(acme[0].id)[0].id
    operation = api.get(f"/tenants/{acme[0].slug}/operations")["operations"][0]["id"]
    theirs = f"/tenants/{hooli[0].slug}"
    problem(api.send("GET", f"{theirs}/api-keys/{key}"), 404, "not_found")
    problem(api.send("DELETE", f"{theirs}/api-keys/{key}"), 404, "not_found")
    problem(api.send("POST", f"{theirs}/operations/{operation}/retry"), 404, "not_found")
    assert rows_of(stack, acme[0]) == before
