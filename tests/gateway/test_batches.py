"""Batches and search over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.callers import PEOPLE
from tests.cast import Cast
from tests.gateway.api import Api, app_of, problem

RECORDS = "/collections/people/records"
SEARCH = "/collections/people/search"


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
        ("batch-put", {"records": []}),
        ("batch-put", {"records": [{"fields": {}}]}),
        ("batch-put", {"records": [{"id": "x", "fields": {}, "version": -1}]}),
        ("batch-put", {"records": [{"id": "x", "fields": {}, "version": 2**31}]}),
        ("batch-put", {"records": [{"id": "x", "fields": {}}] * 501}),
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
        found = acme.post(SEARCH, {"where": [{"field": "ssn", "value": value}]})
        assert [record["id"] for record in found["records"]] == ["s1", "s2"]
        assert found["next"] is None
    nothing = acme.post(SEARCH, {"where": [{"field": "ssn", "op": "eq", "value": "079"}]})
    assert nothing == {"records": [], "next": None}


def test_conditions_are_combined_and_pages_go_on(acme: Api) -> None:
    for number in range(5):
        fields = {"name": f"N{number}", "ssn": f"55{number % 2}", "score": number}
        acme.post(RECORDS, {"id": f"c{number}", "fields": fields}, expect=201)
    where = [
        {"field": "ssn", "op": "in", "value": ["550", "551"]},
        {"field": "score", "op": "gte", "value": 1},
        {"field": "name", "op": "ne", "value": "N3"},
        {"field": "city", "op": "is_null", "value": True},
    ]
    first = acme.post(SEARCH, {"where": where, "limit": 2})
    rest = acme.post(SEARCH, {"where": where, "limit": 2, "after": first["next"]})
    pages = [[record["id"] for record in page["records"]] for page in (first, rest)]
    assert pages == [["c1", "c2"], ["c4"]]
    assert rest["next"] is None


@pytest.mark.parametrize(
    "body",
    [
        {"where": [{"field": "card", "value": "1"}]},
        {"where": [{"field": "absent", "value": "1"}]},
        {"where": [{"field": "ssn", "value": 5}]},
        {"where": [{"field": "ssn", "value": None}]},
        {"where": [{"field": "ssn", "value": ["1"]}]},
        {"where": [{"field": "ssn", "value": {"$ne": "1"}}]},
        {"where": [{"field": "ssn", "op": "gt", "value": "1"}]},
        {"where": [{"field": "ssn", "op": "like", "value": "1"}]},
        {"where": [{"field": "ssn"}]},
        {"where": [{"field": "name", "value": "Ann"}]},
        {"where": [{"field": "ssn", "value": "1"}] * 11},
        {"where": []},
        {"where": [{"field": "ssn", "value": "1", "surplus": 1}]},
        {"where": [{"field": "ssn", "value": "1"}], "limit": 0},
        {"where": [{"field": "ssn", "value": "1"}], "after": "x"},
        {"where": [{"field": "ssn", "value": "1"}], "surplus": 1},
        {"field": "ssn", "value": "1"},
        {},
    ],
)
def test_what_cannot_be_searched_is_said(acme: Api, body: object) -> None:
    document = problem(acme.send("POST", SEARCH, body), 400, "input_invalid")
    assert document["problems"]


def test_a_search_without_a_searchable_field_is_told_what_to_do(acme: Api) -> None:
    where = [{"field": "name", "op": "prefix", "value": "A"}]
    document = problem(acme.send("POST", SEARCH, {"where": where}), 400, "input_invalid")
    [fault] = document["problems"]
    assert fault["at"] == "/where"
    assert "searchable field with eq or in" in fault["rule"]


def test_each_put_of_a_batch_has_its_own_result_in_order(acme: Api) -> None:
    put = "/collections/people/batch-put"
    acme.post(RECORDS, {"id": "p1", "fields": {"name": "Old", "card": "1"}}, expect=201)
    taken = {"name": "T", "email": "p-taken@example.org"}
    acme.post(RECORDS, {"id": "p2", "fields": taken}, expect=201)
    given: list[dict[str, Any]] = [
        {"id": "p1", "fields": {"name": "New", "ssn": "1-1"}},
        {"id": "p3", "fields": {"name": "Three"}},
        {"id": "p4", "fields": {"name": 5}},
        {"id": "p5", "fields": taken},
        {"id": "p3", "fields": {"name": "Again"}},
        {"id": "p2", "fields": {"name": "Two"}, "version": 0},
        {"id": "p6", "fields": {"name": "Six"}, "version": 0},
        {"id": "p7", "fields": {"name": "Seven"}, "version": 1},
    ]
    results = acme.post(put, {"records": given})["results"]
    statuses = [result["status"] for result in results]
    assert statuses == [200, 201, 400, 409, 400, 412, 201, 412]
    assert results[0]["record"]["fields"] == {"name": "New", "ssn": "1-1"}
    assert results[0]["record"]["version"] == 2
    assert acme.get(f"{RECORDS}/p1") == results[0]["record"]
    again = acme.post(put, {"records": [{**given[0], "version": 2}, {**given[1], "version": 1}]})
    assert [result["record"]["version"] for result in again["results"]] == [3, 2]


def test_a_value_in_the_url_is_refused(acme: Api) -> None:
    answer = acme.send("GET", f"{RECORDS}?ssn=078051120")
    document = problem(answer, 400, "input_invalid")
    assert document["problems"] == [{"at": "query/ssn", "rule": "is not a known member"}]
    assert b"078051120" not in answer.content
