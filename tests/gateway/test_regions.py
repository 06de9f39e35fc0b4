"""The same record through the gateways of several Regions, and a Region that its tenant forbids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tenants.services.onboarding import RegionRuleInput
from tests.callers import PEOPLE, reading_from
from tests.cast import Cast, as_region
from tests.gateway.api import Api, app_of, problem
from tests.stack import Stack

RECORDS = "/collections/people/records"
ANN = {"name": "Ann", "email": "ann@example.org", "notes": {"blood": "AB"}}


@pytest.fixture(scope="module")
def api() -> Api:
    """Acme, whose eu-west-1 may open `pii` alone."""
    eu = RegionRuleInput(region="eu-west-1", may_encrypt=True, may_decrypt=("pii",))
    api = app_of(Cast().acme(eu_west_1=eu))
    assert api.send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    return api


def test_a_record_written_here_is_read_there_by_whoever_brings_the_token(
    api: Api, stack: Stack
) -> None:
    created = api.post(RECORDS, {"id": "ann", "fields": ANN}, expect=201)
    with as_region("us-west-1"), reading_from(stack, "us-west-1"):
        answer = api.send("GET", f"{RECORDS}/ann")
        assert answer["Gateway-Region"] == "us-west-1"
        assert json.loads(answer.content) == created
        assert api.get("/me")["region"] == "us-west-1"


def test_where_a_rule_forbids_one_classification_no_part_of_the_record_is_answered(
    api: Api, stack: Stack
) -> None:
    api.post(RECORDS, {"id": "both", "fields": {**ANN, "email": "b@example.org"}}, expect=201)
    api.post(RECORDS, {"id": "pii", "fields": {"name": "P", "email": "p@example.org"}}, expect=201)
    with as_region("eu-west-1"), reading_from(stack, "eu-west-1"):
        assert api.get(f"{RECORDS}/pii")["fields"]["email"] == "p@example.org"
        answer = api.send("GET", f"{RECORDS}/both")
        problem(answer, 403, "region_not_allowed")
        assert b"b@example.org" not in answer.content
        results = api.post("/collections/people/batch-read", {"ids": ["pii", "both"]})["results"]
        assert [result["status"] for result in results] == [200, 403]


def test_with_the_gateways_own_check_bypassed_kms_itself_refuses_and_the_rule_explains_it(
    api: Api, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.post(RECORDS, {"id": "kms", "fields": {**ANN, "email": "k@example.org"}}, expect=201)

    def allow(*_: Any) -> None:
        """Says nothing."""

    for module in ("records.reading", "sealing"):
        monkeypatch.setattr(f"tenants.services.{module}.check_region", allow)
    with as_region("eu-west-1"), reading_from(stack, "eu-west-1"):
        document = problem(api.send("GET", f"{RECORDS}/kms"), 403, "region_not_allowed")
        assert document["detail"] == "A Region rule of the tenant forbids this in this Region."
