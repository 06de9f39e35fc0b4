"""Rotation and re-encryption over HTTP: set, rotated, followed to the end, counted."""

from __future__ import annotations

import pytest

from tenants.selectors import TenantView
from tests.callers import caller_of, people
from tests.cast import Cast, as_region, run_plan
from tests.gateway.api import Api, operator, problem
from tests.tenants.people import store

EU = "eu-west-1"


@pytest.fixture(scope="module")
def api() -> Api:
    return operator()


@pytest.fixture(scope="module")
def globex() -> TenantView:
    return Cast().globex()


def test_the_automatic_rotation_is_set_and_shown(api: Api, globex: TenantView) -> None:
    path = f"/tenants/{globex.slug}/key-rotation"
    answer = api.send("PUT", path, {"days": 180})
    assert answer.status_code == 202
    assert answer["Location"] == f"/api/v1/tenants/{globex.slug}/operations"
    run_plan(globex)
    assert api.get(path)["days"] == 180


@pytest.mark.parametrize("days", [1, 89, -1, 2561, "90", None])
def test_a_period_that_kms_would_not_take_is_refused(
    api: Api, globex: TenantView, days: object
) -> None:
    problem(
        api.send("PUT", f"/tenants/{globex.slug}/key-rotation", {"days": days}),
        400,
        "input_invalid",
    )


def test_a_rotation_with_re_encryption_leaves_nothing_under_the_old_material(
    api: Api, globex: TenantView
) -> None:
    with as_region(EU):
        caller = caller_of(globex)
        store(caller, people(caller), range(4))
    path = f"/tenants/{globex.slug}"
    before = api.get(f"{path}/key-usage")
    assert before["parts_left"] == 0
    api.post(f"{path}/key-rotation", {"reencrypt": True}, expect=202)
    problem(api.send("POST", f"{path}/key-rotation", {}), 409, "plan_under_way")
    run_plan(globex)
    found = api.get(f"{path}/key-usage")
    records = [each for each in found["usage"] if each["purpose"] == "record"]
    assert {each["is_current"]: each["parts"] for each in records} == {True: 12, False: 0}
    assert found["parts_left"] == 0
    shown = api.get(f"{path}/key-rotation")
    assert shown["on_demand_left"] == 24
    assert shown["key_material_id"] in {each["key_material_id"] for each in records}
    steps = api.get(f"{path}/operations")["operations"]
    counts = {step["kind"]: (step["done"], step["total"]) for step in steps}
    assert counts["reencrypt_records"] == (12, 12)


def test_data_keys_are_replaced_and_records_re_encrypted_on_demand(
    api: Api, globex: TenantView
) -> None:
    for name, body in (("data-key-rotation", {}), ("reencryption", None)):
        answer = api.send("POST", f"/tenants/{globex.slug}/{name}", body)
        assert answer.status_code == 202, answer.content
        run_plan(globex)
    assert api.get(f"/tenants/{globex.slug}/key-usage")["parts_left"] == 0
