"""Batches and search over HTTP."""

from __future__ import annotations

import pytest

from tests.callers import PEOPLE
from tests.cast import Cast
from tests.gateway.api import Api, app_of, problem

RECORDS = "/collections/people/records"


@pytest.fixture(scope="module")
def acme() -> Api:
    api = app_of(Cast().acme())
    assert api.send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    return api


def test_each_record_of_a_batch_has_its_own_result_in_order(acme: Api) -> None:
    acme.post(RECORDS, {"id": "there", "fields": {"name": "Old"}}, expect=201)
    given = [
        {"id": "one", "fields": {"name": "One", "ssn": "1-1"}},
        {"id": "there", "fields": {"name": "New"}},
        {"id": "bad", "fields": {"name": 5}},
        {"fields": {"name": "Without id", "notes": {"a": [1, None]}}},
        {"id": "one", "fields": {"name": "Again"}},
        {"id": "no/slash", "fields": {"name": "x"}},
    ]
    results = acme.post("/collections/people/batch-create", {"records": given})["results"]
    assert [result["status"] for result in results] == [201, 409, 400, 201, 409, 400]
    assert results[0]["record"]["fields"] == {"name": "One", "ssn": "1-1"}
    assert results[1]["problem"]["code"] == "record_exists"
    assert results[2]["problem"]["problems"][0]["at"] == "/fields/name"
    assert results[3]["record"]["fields"]["notes"] == {"a": [1, None]}
    for result in results:
        assert ("record" in result) != ("problem" in result)
        if "problem" in result:
            assert result["problem"]["status"] == result["status"]
            assert result["problem"]["request_id"]
    assert acme.get(f"{RECORDS}/there")["fields"] == {"name": "Old"}
    problem(acme.send("GET", f"{RECORDS}/bad"), 404, "record_not_found")


def test_a_batch_read_answers_each_id_in_order(acme: Api) -> None:
    acme.post(RECORDS, {"id": "r1", "fields": {"name": "R1", "ssn": "9"}}, expect=201)
    ids = ["r1", "absent", "r1", "not an id\x00"]
    results = acme.post("/collections/people/batch-read", {"ids": ids})["results"]
    assert [result["status"] for result in results] == [200, 404, 200, 404]
    assert results[0] == results[2]
    assert results[1]["problem"]["code"] == "record_not_found"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("batch-create", {"records": []}),
        ("batch-create", {"records": [{"fields": {}}] * 501}),
        ("batch-create", {"records": [{"fields": {}, "surplus": 1}]}),
        ("batch-create", {}),
        ("batch-read", {"ids": []}),
        ("batch-read", {"ids": ["x"] * 501}),
        ("batch-read", {"ids": [1]}),
    ],
)
def test_a_batch_of_the_wrong_form_is_refused_whole(acme: Api, path: str, body: object) -> None:
    problem(acme.send("POST", f"/collections/people/{path}", body), 400, "input_invalid")


def test_a_full_batch_is_taken(acme: Api) -> None:
    given = [{"id": f"full-{n}", "fields": {"name": "N", "ssn": str(n)}} for n in range(500)]
    results = acme.post("/collections/people/batch-create", {"records": given})["results"]
    assert {result["status"] for result in results} == {201}
    found = acme.post("/collections/people/batch-read", {"ids": [f"full-{n}" for n in range(500)]})
    assert [item["record"]["fields"]["ssn"] for item in found["results"]] == [
        str(n) for n in range(500)
    ]


def test_records_are_found_by_the_exact_value_up_to_the_normaliser(acme: Api) -> None:
    acme.post(RECORDS, {"id": "s1", "fields": {"name": "S", "ssn": "078-05-1120"}}, expect=201)
    acme.post(RECORDS, {"id": "s2", "fields": {"name": "S", "ssn": "078051120"}}, expect=201)
    for value in ("078-05-1120", "078 05 1120"):
        found = acme.post("/collections/people/search", {"field": "ssn", "value": value})["records"]
        assert {record["id"] for record in found} == {"s1", "s2"}
    assert (
        acme.post("/collections/people/search", {"field": "ssn", "value": "079"})["records"] == []
    )
    one = acme.post(
        "/collections/people/search", {"field": "ssn", "value": "078051120", "limit": 1}
    )
    assert len(one["records"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"field": "card", "value": "1"},
        {"field": "absent", "value": "1"},
        {"field": "ssn", "value": 5},
        {"field": "ssn", "value": None},
        {"field": "ssn", "value": ["1"]},
        {"field": "ssn"},
        {"field": "ssn", "value": "1", "limit": 0},
        {"field": "ssn", "value": "1", "surplus": 1},
    ],
)
def test_what_cannot_be_searched_is_said(acme: Api, body: object) -> None:
    problem(acme.send("POST", "/collections/people/search", body), 400, "input_invalid")


def test_a_value_in_the_url_is_refused(acme: Api) -> None:
    answer = acme.send("GET", f"{RECORDS}?ssn=078051120")
    document = problem(answer, 400, "input_invalid")
    assert document["problems"] == [{"at": "query/ssn", "rule": "is not a known member"}]
    assert b"078051120" not in answer.content
