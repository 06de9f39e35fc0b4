"""Bad input, line by line: each a clear problem document with a stable code, and nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from crypto.errors import CryptoError, KeyAccessDenied
from gateway.api import records
from gateway.api.docs import subclasses
from gateway.errors import is_told, status_of
from tenants.errors import TenantError
from tenants.selectors import TenantView
from tenants.services.onboarding import RegionRuleInput
from tests.callers import PEOPLE
from tests.cast import Cast
from tests.gateway.api import Api, app_of, problem
from tests.gateway.rows import rows_of
from tests.gateway.test_errors import INTERNAL, made
from tests.stack import Stack

RECORDS = "/collections/people/records"
GOOD = {"id": "good", "fields": {"name": "Ann", "ssn": "078-05-1120"}}


@pytest.fixture(scope="module")
def acme() -> tuple[TenantView, Api]:
    tenant = Cast().acme()
    api = app_of(tenant)
    assert api.send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    api.post(RECORDS, {"id": "there", "fields": {"name": "Old"}}, expect=201)
    return tenant, api


@pytest.fixture
def unchanged(acme: tuple[TenantView, Api], stack: Stack) -> Iterator[None]:
    """Fails when the test has left a row behind, or changed one."""
    before = rows_of(stack, acme[0])
    yield
    assert rows_of(stack, acme[0]) == before


pytestmark = pytest.mark.usefixtures("unchanged")


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"name": "A", "surplus": 1}, "/fields/surplus"),
        ({"name": 5}, "/fields/name"),
        ({"name": None}, "/fields/name"),
        ({"name": ["A"]}, "/fields/name"),
        ({}, "/fields/name"),
        ({"name": "A", "score": "1"}, "/fields/score"),
        ({"name": "A", "score": True}, "/fields/score"),
        ({"name": "A", "ssn": 78051120}, "/fields/ssn"),
        ({"name": "A", "name\x00": "B"}, "/fields/name\x00"),
        ({"name": "A\x00B"}, "/fields/name"),
        ({"name": "A", "score": 2**70}, "/fields/score"),
        ({"name": "A" * 70_000}, "/fields/name"),
    ],
)
def test_unknown_fields_and_wrong_types(
    acme: tuple[TenantView, Api], fields: dict[str, Any], at: str
) -> None:
    for method, path, body in (
        ("POST", RECORDS, {"id": "bad", "fields": fields}),
        ("PATCH", f"{RECORDS}/there", {"fields": fields}),
    ):
        if method == "PATCH" and not fields:
            continue
        document = problem(acme[1].send(method, path, body), 400, "input_invalid")
        assert at in [one["at"] for one in document["problems"]]


@pytest.mark.parametrize(
    ("raw", "media_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b"", "application/json", 400, "malformed_json"),
        (b'{"fields": {"name": NaN}}', "application/json", 400, "malformed_json"),
        (b'{"fields": {"name": "a", "name": "b"}}', "application/json", 400, "malformed_json"),
        (b'{"fields": {"name": "\xff"}}', "application/json", 400, "malformed_json"),
        (b'{"fields": {"name": "\\ud800"}}', "application/json", 400, "malformed_json"),
        (b"[" * 50_000, "application/json", 400, "malformed_json"),
        (b"[]", "application/json", 400, "input_invalid"),
        (b'{"field": {}}', "application/json", 400, "input_invalid"),
        (b"name=Ann", "application/x-www-form-urlencoded", 415, "media_type_unsupported"),
        (b'{"fields": {"name": "a"}}', "text/plain", 415, "media_type_unsupported"),
        (b'{"fields": {"name": "%s"}}' % (b"a" * 2**22), "application/json", 413, "body_too_large"),
    ],
)
def test_bodies_that_are_not_the_document_asked_for(
    acme: tuple[TenantView, Api], raw: bytes, media_type: str, status: int, code: str
) -> None:
    for method, path in (
        ("POST", RECORDS),
        ("POST", "/collections/people/batch-create"),
        ("POST", "/collections/people/search"),
        ("PATCH", f"{RECORDS}/there"),
        ("PUT", "/collections/other"),
    ):
        problem(acme[1].send(method, path, raw=raw, media_type=media_type), status, code)


def test_a_body_without_a_length(acme: tuple[TenantView, Api]) -> None:
    answer = acme[1].send("POST", RECORDS, raw=b"", Transfer_Encoding="chunked")
    problem(answer, 411, "length_required")


def test_an_unknown_collection(acme: tuple[TenantView, Api]) -> None:
    for name in ("absent", "People", "%00", "a" * 300, ".."):
        answer = acme[1].send("POST", f"/collections/{name}/records", GOOD)
        assert answer.status_code == 404, name
        assert answer["Content-Type"] == "application/problem+json"


def test_a_duplicate_id(acme: tuple[TenantView, Api]) -> None:
    answer = acme[1].send("POST", RECORDS, {**GOOD, "id": "there"})
    problem(answer, 409, "record_exists")


@pytest.mark.parametrize("name", ["", " ", "a/b", "a b", "ä", "x" * 129, ".", "..", "a\x00"])
def test_an_id_that_no_record_can_have(acme: tuple[TenantView, Api], name: str) -> None:
    document = problem(acme[1].send("POST", RECORDS, {**GOOD, "id": name}), 400, "input_invalid")
    assert document["problems"][0]["at"] == "/id"


@pytest.mark.parametrize(
    "name", ["%00", "a%20b", "%0d%0aSet-Cookie:x", "%FF", "x" * 2000, "a;b", "*"]
)
def test_a_path_that_names_no_record(acme: tuple[TenantView, Api], name: str) -> None:
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"fields": {"name": "x"}})):
        answer = acme[1].send(method, f"{RECORDS}/{name}", body)
        assert json.loads(answer.content)["code"] in ("record_not_found", "not_found")
        problem(answer, 404, json.loads(answer.content)["code"])
        assert "Set-Cookie" not in answer


def test_a_revoked_api_key(acme: tuple[TenantView, Api], stack: Stack) -> None:
    before = rows_of(stack, acme[0])
    problem(Api("mrkg_nonsense").send("POST", RECORDS, GOOD), 401, "credential_invalid")
    assert rows_of(stack, acme[0]) == before


def test_an_inactive_tenant(cast: Cast, stack: Stack) -> None:
    tenant = cast.initech()
    api = app_of(tenant)
    before = rows_of(stack, tenant)
    problem(api.send("PUT", "/collections/people", {"schema": PEOPLE}), 409, "tenant_not_active")
    problem(api.send("POST", RECORDS, GOOD), 409, "tenant_not_active")
    problem(api.send("GET", f"{RECORDS}/good"), 409, "tenant_not_active")
    assert rows_of(stack, tenant) == before


def test_a_region_that_the_tenant_forbids(cast: Cast, stack: Stack) -> None:
    nothing = RegionRuleInput(region="us-east-2", may_encrypt=False, may_decrypt=("phi",))
    tenant = cast.onboard("hooli", ("us-east-2", "eu-west-1"), "eu-west-1", {"us_east_2": nothing})
    api = app_of(tenant)
    assert api.send("PUT", "/collections/people", {"schema": PEOPLE}).status_code == 201
    before = rows_of(stack, tenant)
    problem(api.send("POST", RECORDS, GOOD), 403, "region_not_allowed")
    search = {"where": [{"field": "ssn", "value": "1"}]}
    problem(api.send("POST", "/collections/people/search", search), 403, "region_not_allowed")
    results = api.post("/collections/people/batch-create", {"records": [GOOD]})["results"]
    assert [one["problem"]["code"] for one in results] == ["region_not_allowed"]
    assert rows_of(stack, tenant) == before


def test_a_region_without_the_tenant(cast: Cast) -> None:
    api = app_of(cast.globex())
    problem(api.send("POST", RECORDS, GOOD), 403, "region_not_allowed")
    problem(api.send("GET", f"{RECORDS}/good"), 403, "region_not_allowed")
    problem(api.send("GET", "/collections/people"), 403, "region_not_allowed")


def test_a_consistency_token_that_is_none(acme: tuple[TenantView, Api]) -> None:
    for token in ("x", "0/0'", "0/" + "F" * 9, "-1", "0/3a1b"):
        answer = acme[1].send("GET", "/me", Consistency_Token=token)
        problem(answer, 400, "consistency_token_invalid")


def test_paths_and_methods_that_are_not_there(acme: tuple[TenantView, Api]) -> None:
    for path in ("/", "/nothing", "/me/", "/collections/people/records/", "/collections//records"):
        for method in ("GET", "POST", "DELETE", "PUT"):
            problem(acme[1].send(method, path), 404, "path_not_found")
    for method, path in (
        ("POST", "/me"),
        ("PUT", RECORDS),
        ("TRACE", "/me"),
        ("OPTIONS", "/me"),
        ("BREW", "/me"),
    ):
        answer = acme[1].send(method, path)
        problem(answer, 405, "method_not_allowed")
        assert "GET" in answer["Allow"]
        assert "OPTIONS" not in answer["Allow"]


KINDS = [
    kind
    for base in (TenantError, CryptoError)
    for kind in subclasses(base)
    if is_told(kind) and kind.__name__ not in INTERNAL
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_whatever_a_service_raises_is_a_problem_document(
    acme: tuple[TenantView, Api], kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise made(kind)

    monkeypatch.setattr(records, "read_record", fail)
    problem(acme[1].send("GET", f"{RECORDS}/there"), status_of(kind), kind.code)  # type: ignore[attr-defined]


def test_a_refusal_by_kms_that_no_rule_explains_is_an_outage(
    acme: tuple[TenantView, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise KeyAccessDenied("kms:Decrypt in us-east-2 was refused: AccessDeniedException.")

    monkeypatch.setattr(records, "read_record", fail)
    problem(acme[1].send("GET", f"{RECORDS}/there"), 503, "key_access_denied")


def test_a_mistake_of_ours_tells_the_client_its_request_id_and_nothing_else(
    acme: tuple[TenantView, Api], monkeypatch: pytest.MonkeyPatch, lines: Any
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("078-05-1120")

    monkeypatch.setattr(records, "read_record", fail)
    answer = acme[1].send("GET", f"{RECORDS}/there")
    document = problem(answer, 500, "internal_error")
    assert b"078" not in answer.content
    assert "078-05" not in lines.getvalue()
    assert document["request_id"] in lines.getvalue()
    assert "RuntimeError" in lines.getvalue()
