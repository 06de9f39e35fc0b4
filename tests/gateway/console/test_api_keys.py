"""API keys: a token is shown once and kept nowhere; a key ends when it is revoked."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from tenants.errors import CredentialInvalid
from tenants.selectors import TenantView, get_caller, list_api_keys
from tenants.services.access import issue_api_key
from tests.cast import OPERATOR, Cast
from tests.gateway.console.people import as_member

TOKEN = re.compile(r"mrkg_[0-9A-Za-z]{36}")


@pytest.fixture(scope="module")
def acme() -> TenantView:
    return Cast().initech()


@pytest.fixture
def developer(acme: TenantView) -> Client:
    return as_member(acme, "developer")


def form(**changes: object) -> dict[str, object]:
    given = {"name": "billing", "scopes": ["records:read"], "expires_in": "30", "form_id": uuid4()}
    return given | changes


def keys_url(tenant: TenantView) -> str:
    return reverse("console:api-keys", args=[tenant.slug])


def test_the_token_appears_in_one_answer_and_never_again(
    acme: TenantView, developer: Client
) -> None:
    answer = developer.post(keys_url(acme), form())
    found = set(TOKEN.findall(answer.content.decode()))
    assert answer.status_code == 200
    assert len(found) == 1
    token = found.pop()
    assert get_caller(token).tenant_id == acme.id
    for url in (keys_url(acme), reverse("console:audit", args=[acme.slug])):
        assert token not in developer.get(url).content.decode()
    assert token not in str(
        [value for cookie in developer.cookies.values() for value in cookie.values()]
    )
    stored = Session.objects.get(session_key=developer.session.session_key)
    assert token not in str(stored.get_decoded())


def test_the_answer_with_the_token_is_kept_by_no_cache(acme: TenantView, developer: Client) -> None:
    assert "no-store" in developer.post(keys_url(acme), form())["Cache-Control"]


def test_the_same_form_sent_again_issues_no_second_key(acme: TenantView, developer: Client) -> None:
    once = form(name="sent-twice")
    developer.post(keys_url(acme), once)
    again = developer.post(keys_url(acme), once, follow=True)
    assert not TOKEN.search(again.content.decode())
    assert "has been issued already" in again.content.decode()
    assert [key.name for key in list_api_keys(acme.id)].count("sent-twice") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scopes": []}, "Choose at least one scope"),
        ({"scopes": ["records:everything"]}, "Select a valid choice"),
        ({"name": ""}, "This field is required"),
        ({"name": "a\x00b"}, "Null characters are not allowed"),
        ({"name": "a\u200bb"}, "Must be 1 to 100 printable characters"),
        ({"expires_in": "-1"}, "Select a valid choice"),
        ({"form_id": "x"}, "Nothing was saved"),
    ],
)
def test_a_form_with_a_fault_says_which_and_issues_nothing(
    acme: TenantView, developer: Client, changes: dict[str, object], said: str
) -> None:
    before = list_api_keys(acme.id)
    answer = developer.post(keys_url(acme), form(**changes))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert list_api_keys(acme.id) == before


def test_a_key_may_never_expire_but_only_when_somebody_says_so(
    acme: TenantView, developer: Client
) -> None:
    developer.post(keys_url(acme), form(name="eternal", expires_in="never"))
    developer.post(keys_url(acme), form(name="mortal"))
    ends = {key.name: key.expires_at for key in list_api_keys(acme.id)}
    assert ends["eternal"] is None
    assert ends["mortal"] is not None


def test_revoking_asks_first_and_then_ends_the_key(acme: TenantView, developer: Client) -> None:
    issued = issue_api_key(
        tenant_id=acme.id, name="leaked", scopes=["records:read"], actor=OPERATOR
    )
    url = reverse("console:revoke-api-key", args=[acme.slug, issued.view.id])
    asked = developer.get(url).content.decode()
    assert "Revoke the API key “leaked”?" in asked
    assert get_caller(issued.token).tenant_id == acme.id
    done = developer.post(url, follow=True)
    assert "The API key is revoked." in done.content.decode()
    with pytest.raises(CredentialInvalid):
        get_caller(issued.token)


def test_the_key_of_another_tenant_cannot_be_seen_or_revoked(
    acme: TenantView, developer: Client
) -> None:
    globex = Cast().initech()
    theirs = issue_api_key(
        tenant_id=globex.id, name="theirs", scopes=["records:read"], actor=OPERATOR
    )
    url = reverse("console:revoke-api-key", args=[acme.slug, theirs.view.id])
    assert developer.get(url).status_code == 404
    assert developer.post(url).status_code == 404
    assert get_caller(theirs.token).tenant_id == globex.id
