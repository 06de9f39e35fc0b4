"""Records over HTTP: the whole life of one."""

from __future__ import annotations

import json
import secrets

import pytest

from tests.callers import PEOPLE
from tests.cast import Cast
from tests.gateway.api import Api, app_of, problem

ANN = {"name": "Ann", "email": "ann@example.org", "ssn": "078-05-1120", "card": "4111 1111"}
RECORDS = "/collections/people/records"


@pytest.fixture(scope="module")
def acme() -> Api:
    api = app_of(Cast().acme())
    assert api.send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    return api


@pytest.fixture
def ann(acme: Api) -> str:
    """The path of a fresh record."""
    fields = {**ANN, "email": f"{secrets.token_hex(8)}@example.org"}
    answer = acme.send("POST", RECORDS, {"fields": fields})
    assert answer.status_code == 201, answer.content
    return answer["Location"].removeprefix("/api/v1")


def test_a_record_is_created_under_the_clients_own_id_and_read_back(acme: Api) -> None:
    answer = acme.send("POST", RECORDS, {"id": "ann@1:x", "fields": ANN})
    assert answer.status_code == 201
    assert answer["Location"] == "/api/v1/collections/people/records/ann@1:x"
    assert answer["Consistency-Token"]
    assert answer["Cache-Control"] == "no-store"
    created = json.loads(answer.content)
    assert created["fields"] == ANN
    assert (created["id"], created["version"]) == ("ann@1:x", 1)
    assert created["created_at"].endswith("Z")
    assert acme.get(f"{RECORDS}/ann@1:x") == created
    assert set(created) == {"id", "version", "fields", "created_at", "updated_at"}


def test_without_an_id_the_gateway_makes_one(acme: Api, ann: str) -> None:
    assert acme.get(ann)["id"] == ann.rpartition("/")[2]


def test_the_same_id_twice_is_a_conflict_and_changes_nothing(acme: Api) -> None:
    acme.post(RECORDS, {"id": "twice", "fields": {"name": "First"}}, expect=201)
    answer = acme.send("POST", RECORDS, {"id": "twice", "fields": {"name": "Second"}})
    problem(answer, 409, "record_exists")
    assert acme.get(f"{RECORDS}/twice")["fields"] == {"name": "First"}


def test_a_unique_sealed_value_is_taken_once(acme: Api) -> None:
    fields = {"name": "A", "email": "taken@example.org"}
    acme.post(RECORDS, {"fields": fields}, expect=201)
    answer = acme.send("POST", RECORDS, {"fields": {**fields, "email": "TAKEN@example.org"}})
    problem(answer, 409, "value_not_unique")
    assert b"taken" not in answer.content.lower()


def test_a_change_touches_the_given_fields_alone(acme: Api, ann: str) -> None:
    before = acme.get(ann)
    answer = acme.send("PATCH", ann, {"fields": {"ssn": "1", "card": None}})
    assert answer.status_code == 200
    after = acme.get(ann)
    answered = json.loads(answer.content)
    assert answered == {name: value for name, value in after.items() if name != "fields"}
    assert answer["ETag"] == acme.send("GET", ann)["ETag"]
    assert after["version"] == 2
    assert after["fields"]["ssn"] == "1"
    assert "card" not in after["fields"]
    assert after["fields"]["email"] == before["fields"]["email"]
    assert after["created_at"] == before["created_at"] < after["updated_at"]


def test_an_entity_tag_saves_a_second_transfer_until_the_record_changes(
    acme: Api, ann: str
) -> None:
    tag = acme.send("GET", ann)["ETag"]
    for given in (tag, f"W/{tag}", f'"9-1", {tag}', "*"):
        unchanged = acme.send("GET", ann, If_None_Match=given)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged["ETag"] == tag
    acme.send("PATCH", ann, {"fields": {"name": "Anne"}})
    changed = acme.send("GET", ann, If_None_Match=tag)
    assert changed.status_code == 200
    assert changed["ETag"] != tag


def test_a_record_made_anew_under_an_old_id_has_another_entity_tag(acme: Api) -> None:
    path = f"{RECORDS}/phoenix"
    old = acme.send("POST", RECORDS, {"id": "phoenix", "fields": {"name": "Old"}})["ETag"]
    assert acme.send("DELETE", path).status_code == 204
    acme.post(RECORDS, {"id": "phoenix", "fields": {"name": "New"}}, expect=201)
    assert acme.send("GET", path, If_None_Match=old).status_code == 200


def test_a_change_under_the_wrong_version_is_refused(acme: Api, ann: str) -> None:
    tag = acme.send("GET", ann)["ETag"]
    assert acme.send("PATCH", ann, {"fields": {"name": "B"}}, If_Match=tag).status_code == 200
    for method, body in (("PATCH", {"fields": {"name": "C"}}), ("DELETE", None)):
        problem(acme.send(method, ann, body, If_Match=tag), 412, "version_conflict")
        problem(acme.send(method, ann, body, If_Match=f"W/{tag}"), 412, "version_conflict")
    assert acme.get(ann)["fields"]["name"] == "B"
    assert acme.send("DELETE", ann, If_Match=acme.send("GET", ann)["ETag"]).status_code == 204


@pytest.mark.parametrize(
    "tag", ["1", '"1"', '"x-1"', '"1-1", "2-2"', '"99999999999999-1"', "''", '"1-' + "f" * 99 + '"']
)
def test_what_is_no_entity_tag_is_refused_rather_than_ignored(
    acme: Api, ann: str, tag: str
) -> None:
    for method, body in (("PATCH", {"fields": {"name": "C"}}), ("DELETE", None)):
        problem(acme.send(method, ann, body, If_Match=tag), 400, "condition_invalid")
    assert acme.get(ann)["version"] == 1


def test_a_put_creates_a_record_and_replaces_the_whole_of_it(acme: Api) -> None:
    path = f"{RECORDS}/put-1"
    created = acme.send("PUT", path, {"fields": {**ANN, "email": "put@example.org"}})
    assert (created.status_code, json.loads(created.content)["version"]) == (201, 1)
    assert created["Consistency-Token"]
    replaced = acme.send("PUT", path, {"fields": {"name": "Bea", "card": "1"}})
    assert replaced.status_code == 200
    found = acme.get(path)
    assert json.loads(replaced.content) == found
    assert (found["version"], found["fields"]) == (2, {"name": "Bea", "card": "1"})
    assert found["created_at"] == json.loads(created.content)["created_at"]
    assert replaced["ETag"] == acme.send("GET", path)["ETag"]
    again = acme.send("PUT", path, {"fields": {"name": "Bea", "card": "1"}})
    assert json.loads(again.content)["fields"] == found["fields"]


def test_a_put_keeps_to_its_conditions(acme: Api) -> None:
    path, body = f"{RECORDS}/put-2", {"fields": {"name": "A"}}
    problem(acme.send("PUT", path, body, If_Match="*"), 412, "version_conflict")
    problem(acme.send("PUT", path, body, If_Match='"1-1"'), 412, "version_conflict")
    tag = acme.send("PUT", path, body, If_None_Match="*")["ETag"]
    problem(acme.send("PUT", path, body, If_None_Match="*"), 412, "version_conflict")
    assert acme.send("PUT", path, body, If_Match="*").status_code == 200
    problem(acme.send("PUT", path, body, If_Match=tag), 412, "version_conflict")
    problem(acme.send("PUT", path, body, If_None_Match=tag), 400, "condition_invalid")
    both = acme.send("PUT", path, body, If_None_Match="*", If_Match="*")
    problem(both, 400, "condition_invalid")
    assert acme.get(path)["version"] == 2


@pytest.mark.parametrize("name", ["a%20b", "x" * 129, ".", "ä"])
def test_a_put_under_an_id_that_no_record_can_have_is_refused(acme: Api, name: str) -> None:
    answer = acme.send("PUT", f"{RECORDS}/{name}", {"fields": {"name": "A"}})
    document = problem(answer, 400, "input_invalid")
    assert document["problems"][0]["at"] == "/id"


def test_the_entity_tag_of_an_earlier_record_of_the_same_id_changes_nothing(acme: Api) -> None:
    path = f"{RECORDS}/reborn"
    old = acme.send("PUT", path, {"fields": {"name": "Old"}})["ETag"]
    assert acme.send("DELETE", path).status_code == 204
    new = acme.send("PUT", path, {"fields": {"name": "New"}})["ETag"]
    for method, body in (
        ("PUT", {"fields": {"name": "X"}}),
        ("PATCH", {"fields": {"name": "X"}}),
        ("DELETE", None),
    ):
        problem(acme.send(method, path, body, If_Match=old), 412, "version_conflict")
    assert acme.send("PATCH", path, {"fields": {"name": "Y"}}, If_Match=new).status_code == 200


def test_a_deleted_record_is_gone(acme: Api, ann: str) -> None:
    answer = acme.send("DELETE", ann)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Consistency-Token"]
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"fields": {"name": "x"}})):
        problem(acme.send(method, ann, body), 404, "record_not_found")


def test_pages_cover_every_record_once_in_the_order_of_ids(acme: Api) -> None:
    ids = [f"page-{number}" for number in range(7)]
    assert acme.send("PUT", "/collections/pages", {"schema": PEOPLE}).status_code == 201
    for one in ids:
        acme.post("/collections/pages/records", {"id": one, "fields": {"name": one}}, expect=201)
    seen: list[str] = []
    after = ""
    while True:
        page = acme.get(f"/collections/pages/records?limit=3{after}")
        seen += [record["id"] for record in page["records"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == ids


def test_a_record_may_be_called_like_an_action(acme: Api) -> None:
    for taken in ("search", "batch-read", "batch-create", "batch-put"):
        acme.post(RECORDS, {"id": taken, "fields": {"name": "x"}}, expect=201)
        assert acme.get(f"{RECORDS}/{taken}")["id"] == taken


def test_a_head_request_has_the_headers_of_a_get_and_no_body(acme: Api, ann: str) -> None:
    answer = acme.send("HEAD", ann)
    assert answer.status_code == 200
    assert answer["ETag"] == acme.send("GET", ann)["ETag"]
    assert answer.content == b""
