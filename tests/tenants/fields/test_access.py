"""A value opens when it is read and never before; what does not open raises, and is never given as ciphertext."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import FieldError

from crypto.errors import DecryptionFailed
from tenants.fields import EncryptedValue, prefetch_decrypt, queryset, using_tenant
from tests.callers import queries
from tests.stack import Stack
from tests.tenants.fields.crm.models import Account, Card, Everything, Person
from tests.tenants.fields.rows import kms_calls, put, raw


@pytest.fixture
def ann(account: Account) -> Person:
    """Somebody whose row was just loaded."""
    made = Person.objects.create(account=account, name="Ann", email="ann@example.com", phone="1")
    found: Person = Person.objects.select_related("account").get(pk=made.pk)
    return found


def people(account: Account, count: int) -> None:
    Person.objects.bulk_create(
        Person(account=account, name="p", email=f"p{n}@example.com") for n in range(count)
    )


def test_a_list_opens_nothing_until_it_is_touched(
    account: Account, acme: UUID, stack: Stack
) -> None:
    people(account, 20)
    from tenants.fields.keys import current_keys

    current_keys().forget()
    with kms_calls(stack, acme) as calls:
        found = list(Person.objects.filter(account=account).select_related("account"))
        assert [row.name for row in found] == ["p"] * 20
    assert calls == []
    with kms_calls(stack, acme) as calls:
        assert found[7].email == "p7@example.com"
        assert {row.email for row in found} == {f"p{n}@example.com" for n in range(20)}
    assert [call.action for call in calls] == ["Decrypt"]


def test_writing_a_batch_makes_one_data_key_call_at_most(
    account: Account, acme: UUID, stack: Stack
) -> None:
    from tenants.fields.keys import current_keys

    people(account, 1)
    current_keys().forget()
    with kms_calls(stack, acme) as calls:
        Person.objects.bulk_create(Person(account=account, phone=str(n)) for n in range(50))
    assert [(call.action, call.classification) for call in calls] == [("Decrypt", "pii")]


def test_decrypted_opens_a_whole_queryset_in_one_call(
    account: Account, acme: UUID, stack: Stack
) -> None:
    people(account, 10)
    from tenants.fields.keys import current_keys

    current_keys().forget()
    rows = Person.objects.filter(account=account).select_related("account")
    with kms_calls(stack, acme) as calls:
        found = list(rows.decrypted("email"))
        assert all(vars(row)["email"].is_open for row in found)
        assert not any(vars(row)["phone"].is_open for row in found)
        assert all(vars(row)["email"].is_open for row in rows.decrypted().order_by("pk").iterator())
        assert all(vars(row)["email"].is_open for row in prefetch_decrypt(rows))
    assert len(calls) == 1
    with pytest.raises(FieldError, match=r"crm\.Person has no encrypted emial"):
        rows.decrypted("emial")


def test_values_are_sealed_until_they_are_opened_for_a_tenant(account: Account, acme: UUID) -> None:
    people(account, 2)
    rows = Person.objects.filter(account=account).order_by("pk")
    [first, _] = rows.values("email", "name")
    assert isinstance(first["email"], EncryptedValue)
    assert str(first["email"]) == "••••••"
    assert "p0" not in repr(first)
    with using_tenant(acme):
        assert first["email"].open() == "p0@example.com"
        wanted = ["p0@example.com", "p1@example.com"]
        assert list(rows.decrypted().values_list("email", flat=True)) == wanted
        assert [row["email"] for row in rows.decrypted().values("email", "pk")] == wanted
        assert [row[0] for row in rows.decrypted().values_list("email", "pk")] == wanted
        assert [row.email for row in rows.decrypted().values_list("email", named=True)] == wanted
        assert [row["email"] for row in rows.values("email").decrypted().iterator()] == wanted


def test_values_that_are_bound_to_their_row_open_in_an_instance_alone(acme: UUID) -> None:
    with using_tenant(acme):
        card = Card.objects.create(number="4111")
        [number] = Card.objects.filter(pk=card.pk).values_list("number", flat=True)
        with pytest.raises(FieldError, match=r"crm\.Card\.number is bound to its row"):
            number.open()
        with pytest.raises(FieldError):
            list(Card.objects.filter(pk=card.pk).decrypted().values("number"))
        [row] = Card.objects.filter(pk=card.pk).decrypted()
        assert row.number == "4111"


def test_many_rows_are_opened_in_batches(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queryset, "_CHUNK", 2)
    people(account, 5)
    rows = Person.objects.filter(account=account).select_related("account").decrypted("email")
    assert [vars(row)["email"].is_open for row in rows.iterator()] == [True] * 5


@pytest.mark.parametrize("damage", ["flip", "cut", "plain", "empty", "longer"])
def test_a_value_that_does_not_open_raises_when_read_and_harms_nothing_else(
    ann: Person, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    message = raw(ann, "email") or b""
    put(ann, "email", {
        "flip": message[:-1] + bytes([message[-1] ^ 1]),
        "cut": message[:-1],
        "plain": b"ann@example.com",
        "empty": b"",
        "longer": message + b"\x00",
    }[damage])  # fmt: skip
    [found] = Person.objects.filter(pk=ann.pk).decrypted()
    assert (found.name, found.phone) == ("Ann", "1")
    for _ in range(2):
        with caplog.at_level(logging.ERROR), pytest.raises(DecryptionFailed):
            found.email  # noqa: B018 - reading it is the test
    assert "crm.Person.email of tenant" in caplog.text
    found.name = "Anne"
    found.save()
    assert Person.objects.get(pk=ann.pk).name == "Anne"


def test_deferred_fields_load_and_open_when_read(ann: Person) -> None:
    found = Person.objects.defer("email").get(pk=ann.pk)
    assert found.get_deferred_fields() == {"email"}
    assert found.email == "ann@example.com"
    narrow = Person.objects.only("name", "account").get(pk=ann.pk)
    with queries() as sent:
        assert narrow.phone == "1"
    assert len(sent) == 2  # the phone, and the account that says whose it is


def test_refreshing_takes_over_what_is_stored_and_opens_nothing(ann: Person) -> None:
    Person.objects.get(pk=ann.pk)
    other = Person.objects.get(pk=ann.pk)
    other.email = "new@example.com"
    other.save()
    assert ann.email == "ann@example.com"
    ann.refresh_from_db()
    assert not vars(ann)["email"].is_open
    assert ann.email == "new@example.com"
    ann.refresh_from_db(fields=["email"])
    assert ann.email == "new@example.com"


def test_a_row_that_is_read_and_saved_keeps_its_messages(ann: Person) -> None:
    before = raw(ann, "email")
    assert ann.email == "ann@example.com"
    ann.email = "ann@example.com"  # the same again
    ann.full_clean()
    ann.save()
    assert raw(ann, "email") == before
    ann.email = "other@example.com"
    ann.save()
    assert raw(ann, "email") != before


def test_a_changed_document_is_sealed_anew_and_an_unchanged_one_is_not(acme: UUID) -> None:
    with using_tenant(acme):
        row = Everything.objects.create(json={"list": [1]})
        found = Everything.objects.get(pk=row.pk)
        assert found.json == {"list": [1]}
        before = raw(row, "json")
        found.save()
        assert raw(row, "json") == before
        found.json["list"].append(2)
        found.save()
        assert Everything.objects.get(pk=row.pk).json == {"list": [1, 2]}
        row.json["list"].append(3)
        row.save()
        assert Everything.objects.get(pk=row.pk).json == {"list": [1, 3]}


def test_a_pickle_holds_the_message_and_opens_again(ann: Person) -> None:
    assert ann.email == "ann@example.com"
    frozen = pickle.dumps(ann)
    assert b"ann@example" not in frozen
    thawed = pickle.loads(frozen)  # noqa: S301 - made above
    assert thawed.email == "ann@example.com"
    saved = Person.objects.create(account=ann.account, email="bob@example.com")
    assert b"bob@example" not in pickle.dumps(saved)


def test_an_unsaved_value_is_not_pickled(account: Account) -> None:
    with pytest.raises(TypeError, match=r"crm\.Person\.email is not sealed yet"):
        pickle.dumps(Person(account=account, email="ann@example.com", phone=None))


def test_a_copy_is_a_value_of_its_own(acme: UUID) -> None:
    with using_tenant(acme):
        row = Everything.objects.create(json=[1], char="a")
        twin = copy.deepcopy(row)
        twin.json.append(2)
        assert (row.json, twin.json) == ([1], [1, 2])
        shallow = copy.copy(row)
        shallow.pk, shallow._state.adding = None, True
        shallow.save()
        assert Everything.objects.get(pk=shallow.pk).char == "a"


def test_nothing_plain_is_in_the_instance(ann: Person) -> None:
    ann.phone = "secret-phone"
    assert ann.email == "ann@example.com"
    shown = f"{vars(ann)} {vars(ann)['email']} {vars(ann)['phone']!r} {ann!r}"
    assert "example.com" not in shown
    assert "secret" not in shown


def test_a_value_of_another_field_is_refused(ann: Person) -> None:
    [row] = Person.objects.filter(pk=ann.pk).values("email")
    with pytest.raises(TypeError, match=r"value of crm\.Person\.email"):
        Person(account=ann.account, phone=row["email"])
    again: Any = Person(account=ann.account, email=row["email"])
    assert again.email == "ann@example.com"
