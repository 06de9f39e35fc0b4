"""Django's error pages show the variables of every frame: none of ours holds a plain value."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

import pytest
from django.db import DataError
from django.test import RequestFactory, override_settings
from django.views.debug import technical_500_response

from crypto.errors import DecryptionFailed, KeyUnavailable
from tenants.fields import KeyNotPrepared, using_tenant
from tenants.fields.testing import fake_keys
from tests.tenants.fields.crm.models import Account, Everything, Person
from tests.tenants.fields.rows import put

SECRET = "sec" + "ret-value"  # in two parts: pages show lines of source as well


def page(call: Any) -> str:
    """The debug page, with everything that Django shows of a failing request."""
    try:
        call()
    except Exception:
        with override_settings(DEBUG=True):
            answer = technical_500_response(RequestFactory().get("/"), *sys.exc_info())
        return answer.content.decode()
    raise AssertionError("nothing failed")


def saving(row: Any) -> str:
    return page(row.save)


@pytest.fixture
def row(acme: UUID) -> Everything:
    return Everything(char=SECRET[:10], text=SECRET, json={"a": [SECRET]})


def test_the_pages_of_this_test_do_show_variables(row: Everything) -> None:
    def fail(shown: str) -> None:
        raise RuntimeError

    assert SECRET in page(lambda: fail(SECRET))


def test_a_key_that_cannot_be_had(row: Everything) -> None:
    with fake_keys() as keys, using_tenant(UUID(int=1)):
        keys.is_away = True
        shown = saving(row)
    assert KeyUnavailable.__name__ in shown
    assert SECRET not in shown


def test_a_missing_tenant(row: Everything) -> None:
    shown = saving(row)
    assert "TenantMissing" in shown
    assert SECRET not in shown


def test_a_value_of_the_wrong_size_or_type(acme: UUID) -> None:
    with using_tenant(acme):
        for values in ({"char": SECRET * 3}, {"integer": SECRET}, {"json": {SECRET}}):
            shown = saving(Everything(**values))
            assert DataError.__name__ in shown
            assert SECRET not in shown


def test_a_message_that_fails_to_be_made(row: Everything, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also frames of the crypto core, which hold the plaintext, are left out."""
    from crypto import envelope

    def broken(plaintext: bytes, **_: object) -> bytes:
        raise ValueError(len(plaintext))

    monkeypatch.setattr(envelope, "seal_message", broken)
    with fake_keys(), using_tenant(UUID(int=1)):
        shown = saving(row)
    assert "ValueError" in shown
    assert SECRET not in shown


def test_a_value_that_does_not_open(account: Account, acme: UUID) -> None:
    made = Person.objects.create(account=account, phone="1", notes=SECRET)
    put(made, "notes", b"\x02\x04\x78broken")
    found = Person.objects.get(pk=made.pk)
    shown = page(lambda: found.notes)
    assert DecryptionFailed.__name__ in shown
    assert SECRET not in shown


def test_a_message_of_another_place(account: Account, acme: UUID) -> None:
    made = Person.objects.create(account=account, notes=SECRET)
    found = Person.objects.get(pk=made.pk)
    found._meta.get_field("notes").bound_to = "crm.other.notes"
    try:
        shown = page(lambda: found.notes)
    finally:
        found._meta.get_field("notes").bound_to = ""
    assert DecryptionFailed.__name__ in shown
    assert SECRET not in shown


def test_a_value_of_another_type(account: Account) -> None:
    made = Person.objects.create(account=account, notes=SECRET)
    found = Person.objects.get(pk=made.pk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(Person._meta.get_field("notes")), "decode", lambda _, text: int(text))
        shown = page(lambda: found.notes)
    assert DecryptionFailed.__name__ in shown
    assert SECRET not in shown


def test_a_transaction_without_keys(row: Everything, acme: UUID) -> None:
    from django.db import transaction

    with using_tenant(acme), transaction.atomic():
        shown = saving(row)
    assert KeyNotPrepared.__name__ in shown
    assert SECRET not in shown


def test_a_row_that_the_database_refuses(account: Account) -> None:
    Person.objects.create(account=account, email=f"{SECRET}@example.com")
    twin = Person(account=account, email=f"{SECRET}@example.com", notes=SECRET)
    shown = saving(twin)
    assert "IntegrityError" in shown
    assert SECRET not in shown


def test_instances_and_querysets_among_the_variables(account: Account) -> None:
    def fail(*shown: object) -> None:
        raise RuntimeError(len(shown))

    row = Person.objects.create(account=account, email=f"{SECRET}@example.com", notes=SECRET)
    read = Person.objects.get(pk=row.pk)
    assert read.notes == SECRET
    rows = Person.objects.filter(account=account)
    with using_tenant(account.tenant_id):
        values = [
            row,
            read,
            vars(read),
            list(rows),
            rows.values("email"),
            rows.filter(email=SECRET),
        ]
        shown = page(lambda: fail(*values))
    assert SECRET not in shown
