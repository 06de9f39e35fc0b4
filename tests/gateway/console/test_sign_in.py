"""Sign-in: by address and password, with a limit on tries, and to no other site."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tenants.models import User
from tenants.services.access import create_operator
from tests.gateway.console.people import PASSWORD, address, as_operator


@pytest.fixture(autouse=True)
def no_tries_so_far() -> Iterator[None]:
    """allauth counts tries by the address that they come from, which all tests share."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def email() -> str:
    found = address("operator")
    create_operator(email=found, password=PASSWORD)
    return found


def sign_in(client: Client, email: str, password: str, **more: str) -> Any:
    return client.post("/console/sign-in/", {"login": email, "password": password, **more})


def test_the_right_password_opens_the_console_whatever_the_case_of_the_address(email: str) -> None:
    client = Client()
    answer = sign_in(client, email.upper(), PASSWORD)
    assert (answer.status_code, answer["Location"]) == (302, "/console/")
    assert client.get("/console/").status_code == 200


def test_a_wrong_password_and_an_unknown_address_are_told_apart_by_nobody(email: str) -> None:
    wrong = sign_in(Client(), email, "not the password").content.decode()
    unknown = sign_in(Client(), address("nobody"), "not the password").content.decode()
    assert "The address or the password is not right." in wrong
    assert "The address or the password is not right." in unknown


def test_tries_are_limited_and_the_right_password_does_not_help_then(email: str) -> None:
    client = Client()
    for _ in range(12):
        sign_in(client, email, "not the password")
    answer = sign_in(client, email, PASSWORD)
    assert "Too many wrong tries." in answer.content.decode()
    assert client.get("/console/").status_code == 302


def test_behind_a_proxy_tries_are_counted_by_the_address_that_it_names(
    email: str, settings: Any
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    guesser = Client(headers={"X-Forwarded-For": "198.51.100.7, 203.0.113.9"})
    for number in range(12):
        sign_in(guesser, f"{number}-{email}", "not the password")
    assert "Too many wrong tries." in sign_in(guesser, email, PASSWORD).content.decode()
    spoofing = Client(headers={"X-Forwarded-For": "192.0.2.1, 203.0.113.9"})
    assert "Too many wrong tries." in sign_in(spoofing, email, PASSWORD).content.decode()
    other = Client(headers={"X-Forwarded-For": "203.0.113.10"})
    assert sign_in(other, email, PASSWORD).status_code == 302


def test_the_log_says_who_signed_in_and_not_what_was_typed(email: str, lines: io.StringIO) -> None:
    client = Client()
    sign_in(client, email, "not the password")
    sign_in(client, email, PASSWORD)
    new = "another long passphrase"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    client.post("/console/password/", form)
    client.get("/console/")
    client.post("/console/sign-out/")
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    events = [line["event"] for line in found if line["logger"] == "gateway.console"]
    assert events == ["sign_in_refused", "signed_in", "password_changed", "signed_out"]
    actors = {line.get("actor", "") for line in found} - {""}
    assert actors == {f"operator:{User.objects.get(email=email).id}"}
    for typed in (email, PASSWORD, new, "not the password"):
        assert typed not in lines.getvalue()


def test_sign_in_leads_back_to_the_page_that_was_asked_for_but_to_no_other_site(email: str) -> None:
    answer = Client().get("/console/glossary/")
    assert answer["Location"] == "/console/sign-in/?next=/console/glossary/"
    page = Client().get(answer["Location"]).content.decode()
    assert '<input type="hidden" name="next" value="/console/glossary/">' in page
    assert (
        sign_in(Client(), email, PASSWORD, next="/console/glossary/")["Location"]
        == "/console/glossary/"
    )
    assert (
        sign_in(Client(), email, PASSWORD, next="https://evil.example/")["Location"] == "/console/"
    )


def test_signing_out_needs_a_form_and_ends_the_session() -> None:
    client = as_operator()
    assert client.get("/console/sign-out/").status_code == 200
    assert client.get("/console/").status_code == 200
    assert client.post("/console/sign-out/")["Location"] == "/console/sign-in/"
    assert client.get("/console/").status_code == 302


def test_nobody_registers_themselves() -> None:
    form = {"email": address("stranger"), "password1": PASSWORD}
    answer = Client().post("/console/sign-up/", form)
    assert "Accounts are by invitation" in answer.content.decode()
    assert "sessionid" not in answer.cookies
    assert "sign-up" not in Client().get("/console/sign-in/").content.decode()


def test_a_password_is_changed_by_whoever_knows_the_old_one(email: str) -> None:
    client = Client()
    sign_in(client, email, PASSWORD)
    form = {
        "oldpassword": "wrong",
        "password1": "another long passphrase",
        "password2": "another long passphrase",
    }
    assert client.post("/console/password/", form).status_code == 200
    answer = client.post("/console/password/", form | {"oldpassword": PASSWORD}, follow=True)
    assert "Your password is changed." in answer.content.decode()
    assert sign_in(Client(), email, "another long passphrase").status_code == 302
