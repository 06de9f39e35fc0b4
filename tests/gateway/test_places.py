"""Places: few work at once, those who wait for their clients are in nobody's way, and no client fills all threads."""

from __future__ import annotations

import gc
import io
import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from secrets import token_hex
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from gateway.api.records import NewRecord, Record
from gateway.errors import BodiesWaiting
from gateway.places import MOST_WAITING, Places, places
from tenants.consistency import LOCAL, WRITER
from tests.callers import PEOPLE, shared_acme, shared_globex
from tests.gateway.api import ROOT, app_of, problem

FOR_EVER = 30.0  # seconds; no test waits for so long


def in_a_thread(call: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_whoever_comes_last_takes_the_place_that_is_left_first() -> None:
    one = Places(working=1, patience=FOR_EVER, waiting=1)
    served = threading.Event()

    def serve() -> None:
        with one.work():
            served.set()

    with one.work():
        thread = in_a_thread(serve)
        assert not served.wait(0.05)
    thread.join()
    assert served.is_set()


def test_a_place_is_not_insisted_on_where_those_who_have_one_wait_themselves() -> None:
    one = Places(working=1, patience=0.01, waiting=1)
    served: list[bool] = []

    def serve() -> None:
        with one.work():
            served.append(True)

    with one.work():
        in_a_thread(serve).join()
    assert served
    with one.work():  # and nobody gave back a place that they did not have
        in_a_thread(serve).join()
    assert one._free._value == 1  # there is no public way to see it


def test_who_waits_for_a_client_leaves_the_place_to_others() -> None:
    one = Places(working=1, patience=FOR_EVER, waiting=1)

    def serve() -> None:
        with one.work():
            pass

    with one.work(), one.wait("acme"):
        in_a_thread(serve).join()
    assert one._free._value == 1  # there is no public way to see it


def test_one_client_has_a_share_of_those_who_wait_and_others_have_theirs() -> None:
    some = Places(working=1, patience=FOR_EVER, waiting=2)
    with ExitStack() as stack:
        for client in ("acme", "acme", "globex"):
            stack.enter_context(some.wait(client))
        with pytest.raises(BodiesWaiting), some.wait("acme"):
            raise AssertionError("It waits as a third.")
    assert not some._waiting
    with some.wait("acme"):
        pass
    assert some._free._value == 1  # who was not at work has taken no place


class Body(io.BytesIO):
    """A body whose sender does something when it is asked for."""

    def __init__(self, raw: bytes, before: Callable[[], None]) -> None:
        super().__init__(raw)
        self._before = before

    def read(self, size: int | None = -1) -> bytes:
        self._before()
        return super().read(size)


def send(
    token: str, path: str, body: Body, length: int, media_type: str = "application/json"
) -> Any:
    return Client(raise_request_exception=False).request(
        **{
            "REQUEST_METHOD": "POST",
            "PATH_INFO": path,
            "CONTENT_TYPE": media_type,
            "CONTENT_LENGTH": str(length),
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "wsgi.input": body,
        }
    )


def test_while_a_body_is_sent_no_connection_to_the_database_is_held() -> None:
    api = app_of(shared_acme())
    api.send("PUT", "/collections/slow", {"schema": PEOPLE})
    raw = json.dumps({"fields": {"name": "A"}}).encode()
    held: list[object] = []
    body = Body(raw, lambda: held.extend(connections[a].connection for a in (LOCAL, WRITER)))
    answer = send(api.token, f"{ROOT}/collections/slow/records", body, len(raw))
    assert answer.status_code == 201, answer.content
    assert set(held) == {None}


def test_a_body_that_ends_early_is_no_body_even_where_it_is_a_document() -> None:
    raw = json.dumps({"fields": {"name": "A"}}).encode()
    token = app_of(shared_acme()).token
    answer = send(token, f"{ROOT}/collections/slow/records", Body(raw, lambda: None), len(raw) + 9)
    problem(answer, 400, "malformed_json")


def test_nothing_keeps_the_plaintext_of_a_request_that_is_answered() -> None:
    """Neither what came in nor what went out waits for the garbage collector."""
    api = app_of(shared_acme())
    raw = json.dumps(
        {"id": f"r-{token_hex(4)}", "fields": {"name": "A", "ssn": "078-05-1120"}}
    ).encode()
    api.send("PUT", "/collections/slow", {"schema": PEOPLE})
    gc.collect()
    gc.disable()
    try:
        path = f"{ROOT}/collections/slow/records"
        answer = send(api.token, path, Body(raw, lambda: None), len(raw))
        assert (answer.status_code, answer.wsgi_request.body) == (201, b"")
        assert b"078-05-1120" in answer.content
        held = [thing for thing in gc.get_objects() if type(thing) in (NewRecord, Record)]
    finally:
        gc.enable()
    assert held == []


def test_a_tenant_whose_bodies_are_all_awaited_is_told_so_and_others_are_served() -> None:
    acme, globex = app_of(shared_acme()), app_of(shared_globex())
    raw = b'{"where": [{"field": "email", "value": "ann@example.org"}]}'
    path = f"{ROOT}/collections/nothing/search"
    with ExitStack() as stack:
        for _ in range(MOST_WAITING):
            stack.enter_context(places.wait(str(shared_acme().id)))
        answer = acme.send("POST", "/collections/nothing/search", raw=raw)
        problem(answer, 429, "bodies_waiting")
        assert acme.send("GET", "/me").status_code == 200
        other = app_of(shared_acme())  # another key is no other client
        assert send(other.token, path, Body(raw, lambda: None), len(raw)).status_code == 429
        assert send(globex.token, path, Body(raw, lambda: None), len(raw)).status_code != 429
