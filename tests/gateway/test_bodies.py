"""Bodies and queries: what is not exactly one strict JSON document is refused, without repeating a value."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.request import Request

from gateway.api.batches import NewRecords
from gateway.api.bodies import check_path, read_body, read_query, refuse_body
from gateway.api.records import NewRecord
from gateway.api.tenants import TenantsQuery
from gateway.errors import MalformedJson, MediaTypeUnsupported
from tenants.errors import InputInvalid, NotFound


def request(raw: bytes, media_type: str = "application/json") -> Request:
    return Request(RequestFactory().generic("POST", "/", raw, media_type))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'fields': {}}",
        b'{"fields": {}} {}',
        b'{"fields": {"a": NaN}}',
        b'{"fields": {"a": Infinity}}',
        b'{"fields": {"a": 01}}',
        b'{"fields": {"a": "\xff"}}',
        b'{"fields": {"a": "\xc0\xaf"}}',
        b'{"fields": {"a": "\\ud800"}}',
        b'\xef\xbb\xbf{"fields": {}}',
        '{"fields": {}}'.encode("utf-16"),
        b'{"fields": {"a": 1, "a": 2}}',
        b'{"fields": {"a": 1, "\\u0061": 2}}',
        b'{"fields": {"a": [{"b": 1, "b": 1}]}}',
        b'{"fields": {}, "fields": {}}',
        b'{"fields": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b'{"fields": {"a": ' + b"9" * 10_000 + b"}}",
        b'{"fields": // comment\n{}}',
        b'{"fields": {"a": 1,}}',
    ],
)
def test_what_is_not_one_json_document_is_malformed(raw: bytes) -> None:
    with pytest.raises((MalformedJson, InputInvalid)) as caught:
        read_body(request(raw), NewRecord)
    assert caught.value.__cause__ is None


def test_numbers_that_no_float_holds_are_refused_rather_than_changed() -> None:
    with pytest.raises(InputInvalid):
        read_body(request(b'{"fields": {"a": 1e999}}'), NewRecord)


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        (b"[]", ""),
        (b"null", ""),
        (b'"text"', ""),
        (b"{}", ""),
        (b'{"fields": []}', "/fields"),
        (b'{"fields": {}, "id": 5}', "/id"),
        (b'{"fields": {}, "id": ""}', "/id"),
        (b'{"fields": {}, "surplus": 1}', "/surplus"),
        (b'{"fields": {}, "a/b~": 1}', "/a~1b~0"),
    ],
)
def test_a_body_of_another_form_names_the_place(raw: bytes, at: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        read_body(request(raw), NewRecord)
    [(place, rule)] = caught.value.problems
    assert place == at
    assert rule


def test_a_fault_within_a_batch_names_its_index() -> None:
    raw = b'{"records": [{"fields": {}}, {"fields": {}, "id": 7}]}'
    with pytest.raises(InputInvalid) as caught:
        read_body(request(raw), NewRecords)
    assert caught.value.problems[0][0] == "/records/1/id"


def test_no_refusal_repeats_a_value() -> None:
    for raw in (b'{"fields": "078-05-1120"}', b'{"id": ["078-05-1120"]}', b'{"fields": 0780511'):
        with pytest.raises((InputInvalid, MalformedJson)) as caught:
            read_body(request(raw), NewRecord)
        shown = str(caught.value) + str(getattr(caught.value, "problems", ""))
        assert "0780511" not in shown.replace("-", "")


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
        "",
    ],
)
def test_another_media_type_is_not_read(media_type: str) -> None:
    with pytest.raises(MediaTypeUnsupported):
        read_body(request(b'{"fields": {}}', media_type), NewRecord)


def test_values_come_through_unchanged() -> None:
    fields: dict[str, Any] = {
        "zero": 0,
        "no": False,
        "empty": "",
        "list": [],
        "big": 2**63,
        "float": 0.1,
        "text": "ünï ☃ 𝄞 \x00",
        "nested": {"a": [None, {"b": 1.5}]},
    }
    import json

    body = read_body(request(json.dumps({"fields": fields}).encode()), NewRecord)
    assert body.fields == fields
    assert {name: type(value) for name, value in body.fields.items()} == {
        name: type(value) for name, value in fields.items()
    }
    assert repr(body) == "<NewRecord>"


def test_an_operation_without_a_body_takes_none() -> None:
    refuse_body(request(b""))
    refuse_body(request(b"{}"))
    with pytest.raises(InputInvalid):
        refuse_body(request(b'{"a": 1}'))


def query(text: str) -> Request:
    return Request(RequestFactory().get("/?" + text))


def test_queries_are_strict_too() -> None:
    assert read_query(query("after=abc&limit=7"), TenantsQuery).limit == 7
    for text in (
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "aftr=a",
        "after=%00",
        "limit=",
    ):
        with pytest.raises(InputInvalid) as caught:
            read_query(query(text), TenantsQuery)
        assert caught.value.problems[0][0].startswith("query/"), text


def test_a_path_with_control_characters_names_nothing() -> None:
    check_path({"name": "people", "record_id": "ann@example.org ☃"})
    for text in ("\x00", "a\nb", "\x7f", "\ud800"):
        with pytest.raises(NotFound):
            check_path({"name": text})
