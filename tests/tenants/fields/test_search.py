"""Equality search: tokens that only the tenant's key makes, kept in step with their values by every way of writing."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from tenants.fields import EncryptedCharField, Equality, TenantMissing, using_tenant
from tenants.fields.keys import current_keys
from tests.stack import Stack
from tests.tenants.fields.crm.models import Account, Contact, Person, Searchable
from tests.tenants.fields.rows import kms_calls, put, raw


def test_a_value_is_found_by_any_form_that_counts_as_equal(account: Account, acme: UUID) -> None:
    ann = Person.objects.create(account=account, email="Ann@Example.com")
    Person.objects.create(account=account, email="bob@example.com")
    with using_tenant(acme):
        rows = Person.objects.filter(account=account)
        assert rows.get(email="ann@example.com ") == ann
        assert rows.get(email__exact="ANN@EXAMPLE.COM") == ann
        assert set(rows.filter(email__in=["ann@example.com", None, "x@example.com"])) == {ann}
        assert rows.filter(email__in=[]).count() == 0
        assert rows.exclude(email="ann@example.com").count() == 1
        assert not rows.filter(email="Ann").exists()
        assert Account.objects.get(person__email="ann@example.com", pk=account.pk) == account
        assert list(rows.filter(email="ann@example.com").order_by("id")[:5]) == [ann]


def test_search_needs_a_tenant_and_finds_that_ones_rows_alone(
    account: Account, other_account: Account
) -> None:
    ours = Person.objects.create(account=account, email="same@example.com")
    theirs = Person.objects.create(account=other_account, email="same@example.com")
    assert ours.email_bidx != theirs.email_bidx
    rows = Person.objects.filter(email="same@example.com", account__in=[account, other_account])
    with pytest.raises(TenantMissing):
        list(rows)
    for tenant, row in ((account.tenant_id, ours), (other_account.tenant_id, theirs)):
        with using_tenant(tenant):
            assert list(rows.all()) == [row]


def test_many_terms_cost_one_call(account: Account, acme: UUID, stack: Stack) -> None:
    Person.objects.create(account=account, email="a@example.com")
    current_keys().forget()
    with using_tenant(acme), kms_calls(stack, acme) as calls:
        list(Person.objects.filter(email__in=[f"{n}@example.com" for n in range(100)]))
    assert len(calls) == 1


def test_a_query_shows_no_term(acme: UUID) -> None:
    with using_tenant(acme):
        rows = Person.objects.filter(email="secret@example.com")
        assert "secret" not in f"{rows.query.where} {rows.query}"


@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("char", "STRASSE", "straße"),
        ("integer", 7, "7"),
        ("decimal", Decimal("1.5"), "1.50"),
        ("date", date(2024, 2, 29), "2024-02-29"),
        (
            "moment",
            datetime(2024, 5, 1, 10, tzinfo=UTC),
            datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        ),
        ("uuid", uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    ],
)
def test_every_kind_that_has_a_text_is_searched(
    acme: UUID, name: str, value: Any, same: Any
) -> None:
    with using_tenant(acme):
        row = Searchable.objects.create(**{name: value})
        assert row in Searchable.objects.filter(**{name: same})
        assert row in Searchable.objects.filter(**{f"{name}__in": [value]})


def test_tokens_follow_their_values_in_every_way_of_writing(account: Account, acme: UUID) -> None:
    def found(email: str) -> list[Person]:
        return list(Person.objects.filter(account=account, email=email))

    with using_tenant(acme):
        row = Person.objects.create(account=account, email="0@example.com")
        row.email = "1@example.com"
        row.save(update_fields=["email"])
        assert found("1@example.com") == [row]
        assert found("0@example.com") == []

        row.email = "2@example.com"
        Person.objects.bulk_update([row], ["email"])
        assert found("2@example.com") == [row]

        Person.objects.filter(pk=row.pk).update(email="3@example.com")
        assert found("3@example.com") == [row]

        Person.objects.update_or_create(pk=row.pk, defaults={"email": "4@example.com"})
        assert found("4@example.com") == [row]

        loaded = Person.objects.only("name", "account").get(pk=row.pk)
        loaded.email = "5@example.com"
        loaded.save()
        assert found("5@example.com") == [row]

        upsert = {"update_conflicts": True, "unique_fields": ["id"], "update_fields": ["email"]}
        Person.objects.bulk_create(
            [Person(pk=row.pk, account=account, email="6@example.com")],
            **upsert,
        )
        assert found("6@example.com") == [row]

        Person.objects.filter(pk=row.pk).update(email=None)
        assert raw(row, "email_bidx") is None
        loaded = Person.objects.get(pk=row.pk)
        loaded.email = "7@example.com"
        loaded.save()
        loaded.email = None
        loaded.save()
        assert raw(row, "email_bidx") is None
        assert raw(row, "email") is None


def test_tokens_follow_values_that_were_never_opened(account: Account, acme: UUID) -> None:
    made = Person.objects.create(account=account, email="old@example.com")
    row = Person.objects.get(pk=made.pk)
    Person.objects.filter(pk=made.pk).only("account").get()
    made.email = "new@example.com"
    made.save()
    row.refresh_from_db(fields=["email"])
    row.save()
    [values] = Person.objects.filter(pk=made.pk).values("email", "phone")
    made.delete()
    copy = Person.objects.create(account=account, **values)
    with using_tenant(acme):
        assert Person.objects.get(account=account, email="new@example.com") == copy
        assert not Person.objects.filter(account=account, email="old@example.com").exists()


def test_a_row_that_was_stored_before_search_gets_its_token_when_it_is_saved(
    account: Account, acme: UUID, stack: Stack
) -> None:
    made = Person.objects.create(account=account, email="ann@example.com")
    put(made, "email_bidx", None)
    current_keys().forget()
    row = Person.objects.get(pk=made.pk)
    with kms_calls(stack, acme) as calls:
        row.refresh_from_db()
        Person.objects.filter(pk=made.pk).only("email").get().save(update_fields=["name"])
    assert calls == []
    row.save()
    assert raw(row, "email_bidx") == made.email_bidx


def test_the_token_of_an_unsaved_row_is_at_hand(account: Account) -> None:
    row = Person(account=account, email="a@example.com")
    before = row.email_bidx
    row.email = "b@example.com"
    assert row.email_bidx not in (None, before)
    row.save()
    assert raw(row, "email_bidx") == row.email_bidx
    assert len(row.email_bidx) == 16


def test_a_constraint_over_tenant_and_token_keeps_values_unique(
    account: Account, other_account: Account
) -> None:
    Person.objects.create(account=account, email="ann@example.com")
    Person.objects.create(account=other_account, email="ann@example.com")
    Person.objects.create(account=account, email=None)
    Person.objects.create(account=account, email=None)
    twin = Person(account=account, email="ANN@example.com")
    with pytest.raises(ValidationError) as invalid:
        twin.full_clean()
    assert "ann@" not in str(invalid.value).lower()
    with pytest.raises(IntegrityError) as caught:
        twin.save()
    assert "ann@" not in str(caught.value).lower()


def test_a_moved_value_or_token_is_not_taken_for_another(account: Account, acme: UUID) -> None:
    """A token in a foreign row makes search find that row; what it shows is still its own value."""
    ann = Person.objects.create(account=account, email="ann@example.com")
    bob = Person.objects.create(account=account, email="bob@example.com", phone="2")
    token = raw(ann, "email_bidx")
    ann.delete()
    put(bob, "email_bidx", token)
    with using_tenant(acme):
        assert (
            Person.objects.get(email="ann@example.com", account=account).email == "bob@example.com"
        )


def test_tokens_differ_between_fields_and_models(account: Account, acme: UUID) -> None:
    contact = Contact.objects.create(account=account, sealed="7")
    with using_tenant(acme):
        row = Searchable.objects.create(char="7", integer=7, uuid=uuid.UUID(int=7))
    tokens = [raw(row, f"{name}_bidx") for name in ("char", "integer", "uuid")]
    assert len({*tokens, raw(contact, "sealed_bidx")}) == 4


def test_equality_is_part_of_the_field() -> None:
    field = EncryptedCharField(max_length=5, queries=Equality("digits"))
    clone = field.clone()
    assert clone.queries == Equality("digits") != Equality()
    assert hash(clone.queries) == hash(field.queries)
