"""The request's identity, its one log line, and what must not live on into the next request."""

from __future__ import annotations

import io
import json
import logging
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from tests.callers import PEOPLE
from tests.cast import Cast
from tests.gateway.api import Api, app_of, operator, problem

RECORDS = "/collections/people/records"


@pytest.fixture(scope="module")
def acme() -> Api:
    api = app_of(Cast().acme())
    assert api.send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    return api


def requests_in(lines: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in found if line["event"] == "request"]


def test_each_request_has_an_id_of_its_own(acme: Api) -> None:
    first, second = (acme.send("GET", "/me")["X-Request-ID"] for _ in range(2))
    assert first != second
    assert UUID(first).version == 7


def test_a_clients_request_id_counts_only_where_the_setting_says_so(
    acme: Api, settings: Any
) -> None:
    assert acme.send("GET", "/me", X_Request_ID="trace-0001")["X-Request-ID"] != "trace-0001"
    settings.GATEWAY_TRUST_REQUEST_ID = True
    answer = acme.send("GET", "/me/", X_Request_ID="trace-0001")
    assert problem(answer, 404, "path_not_found")["request_id"] == "trace-0001"
    for odd in (
        "short",
        "x" * 65,
        "a b c d e f g",
        "trace-0001\n",
        "trâce-0001",
        '"trace-0001"',
        "",
    ):
        assert UUID(acme.send("GET", "/me", X_Request_ID=odd)["X-Request-ID"]).version == 7


def test_every_answer_names_the_region(acme: Api) -> None:
    for answer in (acme.send("GET", "/me"), acme.send("GET", "/nothing"), Client().get("/healthz")):
        assert answer["Gateway-Region"] == "us-east-2"


def test_a_write_answers_a_consistency_token_and_the_next_request_has_none(acme: Api) -> None:
    written = acme.send("POST", RECORDS, {"fields": {"name": "A"}})
    assert written["Consistency-Token"]
    for path in ("/me", RECORDS):
        assert "Consistency-Token" not in acme.send("GET", path)
    failed = acme.send("POST", RECORDS, {"fields": {"name": 1}})
    assert "Consistency-Token" not in failed


def test_one_line_a_request_says_who_what_and_how_it_went(acme: Api, lines: io.StringIO) -> None:
    secret = "ann@example.org"
    body = {
        "id": "jane-doe-1970",
        "fields": {"name": "Jane", "email": secret, "ssn": "078-05-1120"},
    }
    created = acme.send("POST", RECORDS, body)
    acme.send("GET", f"{RECORDS}/jane-doe-1970")
    acme.send("GET", f"{RECORDS}?limit=1&email={secret}")
    acme.send(
        "POST", "/collections/people/search", {"where": [{"field": "email", "value": secret}]}
    )
    acme.send("PATCH", f"{RECORDS}/jane-doe-1970", {"fields": {"ssn": ["078-05-1120"]}})
    text = lines.getvalue()
    for hidden in (secret, "jane-doe", "Jane", "078-05", acme.token, acme.token[5:20], "limit"):
        assert hidden not in text
    found = requests_in(lines)
    assert [line["status"] for line in found] == [201, 200, 400, 200, 400]
    first = found[0]
    assert first["route"] == "/api/v1/collections/<str:collection>/records"
    assert first["request_id"] == created["X-Request-ID"]
    assert first["tenant"].startswith("acme-")
    assert first["actor"].startswith("api_key:")
    assert (first["method"], first["region"]) == ("POST", "us-east-2")
    assert first["duration_ms"] > 0
    allowed = {
        "event", "method", "route", "status", "duration_ms", "tenant", "actor", "request_id",
        "region", "level", "logger", "timestamp",
    }  # fmt: skip
    assert all(set(line) == allowed for line in found)


def test_the_line_of_an_operators_request_names_the_tenant_that_was_found(
    lines: io.StringIO, cast: Cast
) -> None:
    tenant = cast.initech()
    api = operator()
    lines.truncate(0)
    lines.seek(0)
    api.get(f"/tenants/{tenant.slug}")
    api.send("GET", "/tenants/absent-slug")
    first, second = requests_in(lines)
    assert first["tenant"] == tenant.slug
    assert first["actor"].startswith("operator:")
    assert "tenant" not in second
    assert "absent-slug" not in lines.getvalue()


def test_a_refused_request_leaves_no_tenant_and_no_token_behind(lines: io.StringIO) -> None:
    Api("mrkg_000000000000000000000000000000000000").send("BREW", "/nothing/ssn-078?x=078")
    [line] = requests_in(lines)
    assert (line["method"], line["status"]) == ("OTHER", 404)
    assert "078" not in json.dumps({**line, "request_id": "", "timestamp": ""})
    assert "tenant" not in line
    assert "mrkg_" not in lines.getvalue()


def test_health_checks_write_no_line_at_the_usual_level(lines: io.StringIO) -> None:
    Client().get("/healthz")
    assert requests_in(lines) == []
    assert not logging.getLogger("gateway.request").isEnabledFor(logging.DEBUG)


def test_a_host_that_is_not_ours_is_a_problem_document_under_api_and_nothing_is_logged_of_it(
    acme: Api, lines: io.StringIO
) -> None:
    answer = acme.send("GET", "/me", Host="evil.example.com")
    problem(answer, 400, "bad_request")
    assert "evil" not in lines.getvalue()
    assert b"evil" not in answer.content


def test_the_api_takes_no_cookie_and_needs_no_csrf_token(acme: Api) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(
        f"/api/v1{RECORDS}",
        json.dumps({"fields": {"name": "A"}}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {acme.token}"},
    )
    assert answer.status_code == 201
    assert not answer.cookies


def test_an_answer_is_json_whatever_the_client_accepts(acme: Api) -> None:
    for accept in ("text/html", "application/xml", "nonsense", "*/*;q=0"):
        answer = acme.send("GET", "/me", Accept=accept)
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        assert answer["X-Content-Type-Options"] == "nosniff"


def test_the_root_leads_to_the_console() -> None:
    answer = Client().get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/console/")
