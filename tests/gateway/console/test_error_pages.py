"""Pages for what goes wrong: in the console's own look, with the request's id, and without anything else."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.test import Client

from gateway.console import page
from tenants import consistency
from tenants.errors import WriterMoved
from tests.cast import Cast
from tests.gateway.console.people import as_member, as_operator


def test_a_path_that_is_not_there_has_a_page() -> None:
    answer = Client().get("/nowhere/")
    assert answer.status_code == 404
    assert "Not found" in answer.content.decode()
    assert answer["X-Request-ID"] in answer.content.decode()


def test_what_a_role_does_not_allow_has_a_page() -> None:
    answer = as_member(Cast().initech(), "auditor").get("/console/onboard/")
    assert answer.status_code == 403
    assert "Your role does not allow this." in answer.content.decode()


def test_a_form_that_is_too_old_is_not_blamed_on_the_role() -> None:
    answer = Client(enforce_csrf_checks=True).post("/console/sign-in/", {"login": "x"})
    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()


def test_a_fault_of_ours_tells_the_request_id_and_nothing_of_the_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("a secret detail")

    client = as_operator()
    client.raise_request_exception = False
    monkeypatch.setattr(page, "get_visitor", fail)
    answer = client.get("/console/")
    text = answer.content.decode()
    assert answer.status_code == 500
    assert "secret detail" not in text
    assert "Our fault" in text
    assert answer["X-Request-ID"] in text


def test_without_the_writer_who_is_signed_in_is_not_known_and_the_page_says_when_to_come_back() -> (
    None
):
    client = as_operator()
    client.raise_request_exception = False
    connections[consistency.WRITER].close()
    consistency.writer.failed()
    try:
        for answer in (
            client.get("/console/"),
            client.get("/console/password/"),
            client.post("/console/sign-in/", {"login": "a@b.example", "password": "x" * 12}),
        ):
            assert answer.status_code == 503
            assert answer["Retry-After"] == "2"
            assert "Try again in a moment" in answer.content.decode()
            assert answer["X-Request-ID"] in answer.content.decode()
    finally:
        consistency.writer.answered()
    assert client.get("/console/").status_code == 200


def test_a_database_that_takes_no_writes_is_said_with_when_to_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: Any) -> None:
        raise WriterMoved("The writer is moving.")

    client = as_operator()
    monkeypatch.setattr(page, "get_visitor", fail)
    answer = client.get("/console/")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert "Nothing was lost." in answer.content.decode()
