"""The connection is lost while a write commits: nobody knows whether it is stored, and the answer says so. The same
request again, with the client's own id, tells the truth."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import HttpResponse

from tests.callers import PEOPLE, shared_acme
from tests.gateway.api import Api, app_of, problem
from tests.gateway.wire import Loss, cut_at_commit
from tests.stack import Stack

RECORDS = "/collections/unknown/records"
LOSSES = pytest.mark.parametrize("loss", ["answer", "request"])
FIELDS = {"name": "Ann", "ssn": "078-05-1120"}


@pytest.fixture(scope="module")
def api() -> Api:
    """With its data keys made: only the write itself is lost."""
    app = app_of(shared_acme())
    app.send("PUT", "/collections/unknown", {"schema": PEOPLE})
    app.post(RECORDS, {"fields": FIELDS}, expect=201)
    return app


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """An id of this test's own."""
    kept = [letter if letter.isalnum() else "-" for letter in request.node.name]
    return "".join(kept).strip("-")


class Lossy:
    """Sends one request whose commit is lost, and the same again."""

    def __init__(self, api: Api, stack: Stack, patch: pytest.MonkeyPatch, loss: Loss) -> None:
        self._api, self._stack, self._patch, self._loss = api, stack, patch, loss

    def twice(self, method: str, path: str, body: object = None, **headers: Any) -> HttpResponse:
        """The second answer; the first says that nothing is known."""
        with cut_at_commit(self._stack, self._patch, self._loss) as cut:
            first = self._api.send(method, path, body, **headers)
            assert cut == [1]
        document = problem(first, 503, "writer_moved")
        assert document["retryable"] is True
        assert "may or may not" in document["detail"]
        assert "Consistency-Token" not in first
        return self._api.send(method, path, body, **headers)


@pytest.fixture
def lossy(api: Api, stack: Stack, monkeypatch: pytest.MonkeyPatch, loss: Loss) -> Lossy:
    return Lossy(api, stack, monkeypatch, loss)


def latest(api: Api, name: str) -> HttpResponse:
    """As the writer has it."""
    api.seen = "FFFFFFFF/FFFFFFFF"
    return api.send("GET", f"{RECORDS}/{name}")


@LOSSES
def test_a_create_again_says_whether_the_first_was_stored(
    api: Api, lossy: Lossy, name: str, loss: Loss
) -> None:
    again = lossy.twice("POST", RECORDS, {"id": name, "fields": FIELDS})
    if loss == "answer":
        problem(again, 409, "record_exists")
    else:
        assert again.status_code == 201
    found = json.loads(latest(api, name).content)
    assert (found["version"], found["fields"]) == (1, FIELDS)


@LOSSES
def test_a_put_again_leaves_the_same_fields(api: Api, lossy: Lossy, name: str, loss: Loss) -> None:
    again = lossy.twice("PUT", f"{RECORDS}/{name}", {"fields": FIELDS})
    assert again.status_code == (200 if loss == "answer" else 201)
    assert json.loads(latest(api, name).content)["fields"] == FIELDS


@LOSSES
def test_a_change_with_if_match_is_made_once(api: Api, lossy: Lossy, name: str, loss: Loss) -> None:
    made = api.send("POST", RECORDS, {"id": name, "fields": FIELDS})
    changed = {"fields": {"ssn": "219-09-9999"}}
    again = lossy.twice("PATCH", f"{RECORDS}/{name}", changed, If_Match=made["ETag"])
    if loss == "answer":
        problem(again, 412, "version_conflict")
    else:
        assert again.status_code == 200
    found = json.loads(latest(api, name).content)
    assert (found["version"], found["fields"]["ssn"]) == (2, "219-09-9999")


@LOSSES
def test_a_delete_again_finds_nothing_or_deletes(
    api: Api, lossy: Lossy, name: str, loss: Loss
) -> None:
    api.post(RECORDS, {"id": name, "fields": FIELDS}, expect=201)
    again = lossy.twice("DELETE", f"{RECORDS}/{name}")
    if loss == "answer":
        problem(again, 404, "record_not_found")
    else:
        assert again.status_code == 204
    problem(latest(api, name), 404, "record_not_found")


@LOSSES
def test_a_batch_again_says_it_of_each_record(
    api: Api, lossy: Lossy, name: str, loss: Loss
) -> None:
    rows: list[dict[str, Any]] = [{"id": f"{name}-{n}", "fields": FIELDS} for n in range(3)]
    again = lossy.twice("POST", "/collections/unknown/batch-create", {"records": rows})
    assert again.status_code == 200
    results: list[dict[str, Any]] = json.loads(again.content)["results"]
    assert [result["status"] for result in results] == [409 if loss == "answer" else 201] * 3
    codes = {(result.get("problem") or {}).get("code") for result in results}
    assert codes == ({"record_exists"} if loss == "answer" else {None})
    for row in rows:
        assert latest(api, row["id"]).status_code == 200
