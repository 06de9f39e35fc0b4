"""Every way in which Django writes rows, with the keys of a process that has just started."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import FieldError
from django.db import models
from django.test.utils import isolate_apps

from tenants.errors import RegionNotAllowed
from tenants.fields import (
    EncryptedCharField,
    EncryptedManager,
    EncryptedQuerySet,
    TenantMissing,
    using_tenant,
)
from tenants.fields.keys import current_keys
from tenants.services.onboarding import RegionRuleInput
from tests.cast import Cast
from tests.tenants.fields.crm.models import Account, Card, Employee, Everything, Person
from tests.tenants.fields.rows import raw


def fresh(row: Any) -> Any:
    """The row as the database has it."""
    return type(row).objects.get(pk=row.pk)


def test_a_model_without_a_manager_gets_ours() -> None:
    assert type(Person.objects) is EncryptedManager
    assert isinstance(Person.objects.all(), EncryptedQuerySet)
    assert type(Employee.objects) is EncryptedManager
    assert type(Account.objects) is models.Manager
    assert isinstance(Account(pk=1).person_set.all(), EncryptedQuerySet)  # type: ignore[attr-defined]


def test_bulk_create_seals_for_many_tenants(account: Account, other_account: Account) -> None:
    rows = [
        Person(account=owner, phone=str(n), email=f"{n}@example.com", notes="n")
        for n, owner in enumerate([account, other_account] * 5)
    ]
    current_keys().forget()
    Person.objects.bulk_create(rows, batch_size=3)
    assert [fresh(row).phone for row in rows] == [str(n) for n in range(10)]
    assert Person.objects.bulk_create([]) == []


def test_bulk_update_seals_each_value_for_its_row(account: Account, other_account: Account) -> None:
    owners = [account, other_account, account]
    rows = [Person.objects.create(account=owner, phone="0", notes="n") for owner in owners]
    for n, row in enumerate(rows):
        row.phone = f"new {n}"
    rows[2].notes = None
    current_keys().forget()
    assert Person.objects.bulk_update(rows, ["phone", "notes"], batch_size=2) == 3
    assert [fresh(row).phone for row in rows] == ["new 0", "new 1", "new 2"]
    assert [fresh(row).notes for row in rows] == ["n", "n", None]
    assert len({raw(row, "phone") for row in rows}) == 3


def test_bulk_update_of_what_was_only_loaded_keeps_the_messages(account: Account) -> None:
    row = Person.objects.create(account=account, phone="0", name="a")
    before = raw(row, "phone")
    loaded = fresh(row)
    loaded.name = "b"
    Person.objects.bulk_update([loaded], ["name", "phone"])
    assert raw(row, "phone") == before
    assert fresh(row).name == "b"


def test_bulk_update_of_bound_rows(acme: UUID) -> None:
    with using_tenant(acme):
        cards = Card.objects.bulk_create(Card(number=str(n)) for n in range(3))
        for card in cards:
            card.number = f"new {card.number}"
        Card.objects.bulk_update(cards, ["number"])
        assert [fresh(card).number for card in cards] == ["new 0", "new 1", "new 2"]


def test_bound_rows_are_written_by_a_region_that_may_not_open_them(cast: Cast) -> None:
    """What a process has just sealed itself needs no second look, for which it would have no key."""
    blind = RegionRuleInput(region="us-east-2", may_decrypt=("phi",))
    tenant = cast.onboard("acme", ("us-east-2", "eu-west-1"), "eu-west-1", {"us-east-2": blind})
    with using_tenant(tenant.id):
        cards = Card.objects.bulk_create(Card(number=str(n)) for n in range(3))
        Card.objects.create(number="4111")
        with pytest.raises(RegionNotAllowed):
            fresh(cards[0]).number  # noqa: B018 - reading it is the test


def test_get_or_create_and_update_or_create(account: Account, acme: UUID) -> None:
    with using_tenant(acme):
        who: dict[str, Any] = {"account": account, "email": "ann@example.com"}
        ann, made = Person.objects.get_or_create(**who, defaults={"phone": "1", "notes": "n"})
        current_keys().forget()
        again, made_again = Person.objects.get_or_create(**who)
        assert (made, made_again, again) == (True, False, ann)
        current_keys().forget()
        _, made = Person.objects.update_or_create(**who, defaults={"phone": "2", "notes": "m"})
        assert not made
        assert (fresh(ann).phone, fresh(ann).notes, fresh(ann).email) == ("2", "m", who["email"])
        current_keys().forget()
        who["email"] = "bob@example.com"
        bob, made = Person.objects.update_or_create(**who, defaults={"phone": "3"})
        assert made
        assert fresh(bob).phone == "3"


def test_update_reaches_the_rows_of_the_tenant_alone(
    account: Account, other_account: Account, acme: UUID
) -> None:
    ours = Person.objects.create(account=account, phone="1", email="a@example.com")
    theirs = Person.objects.create(account=other_account, phone="1")
    rows = Person.objects.filter(pk__in=[ours.pk, theirs.pk])
    with pytest.raises(TenantMissing):
        rows.update(phone="2")
    with using_tenant(acme):
        assert rows.update(phone="2", name="n") == 1
    assert (fresh(ours).phone, fresh(ours).name) == ("2", "n")
    assert (fresh(theirs).phone, fresh(theirs).name) == ("1", "")
    assert rows.update(notes=None, name="m") == 2
    with using_tenant(acme):
        [phone] = rows.filter(pk=ours.pk).values_list("phone", flat=True)
        assert rows.update(notes=None) == 1
        assert rows.update(phone=phone, email="b@example.com") == 1
        assert Person.objects.get(email="b@example.com", account=account).phone == "2"


def test_update_refuses_what_would_not_open(acme: UUID, other_account: Account) -> None:
    with using_tenant(acme):
        card = Card.objects.create(number="1")
        with pytest.raises(FieldError, match="bulk_update"):
            Card.objects.filter(pk=card.pk).update(number="2")
    with pytest.raises(FieldError, match="account says whose the encrypted values are"):
        Person.objects.update(account=other_account)
    with pytest.raises(FieldError, match="account"):
        Person.objects.bulk_update([Person(pk=1, account=other_account)], ["account"])


@isolate_apps("tests")
def test_a_column_that_is_itself_the_tenants_id_is_not_updated_either() -> None:
    class Thing(models.Model):
        tenant_id = models.UUIDField()
        field = EncryptedCharField(max_length=5, tenant="tenant_id")

        class Meta:
            app_label = "tests"

    with pytest.raises(FieldError, match="tenant_id says whose"):
        Thing._default_manager.update(tenant_id=UUID(int=1))


def test_a_plain_value_that_comes_past_the_manager_is_refused(account: Account) -> None:
    row = Person.objects.create(account=account, phone="1")
    plain: Any = models.QuerySet(Person)
    with pytest.raises(FieldError, match="go through EncryptedManager"):
        plain.filter(pk=row.pk).update(phone="2")
    row.phone = "2"
    with pytest.raises(FieldError, match=r"crm\.Person\.phone is encrypted"):
        plain.bulk_update([row], ["phone"])
    assert fresh(row).phone == "1"


def test_rows_in_two_tables_are_sealed_before_the_transaction(account: Account, acme: UUID) -> None:
    row = Employee.objects.create(account=account, phone="1", salary=10, email="a@example.com")
    current_keys().forget()
    row.salary, row.email = 20, "b@example.com"
    row.save(update_fields=["salary", "email"])
    assert (fresh(row).salary, fresh(row).email, fresh(row).phone) == (20, "b@example.com", "1")
    with using_tenant(acme):
        assert Employee.objects.get(email="b@example.com", account=account) == row
        assert Person.objects.get(email="b@example.com", account=account).phone == "1"


def test_a_receiver_may_say_whose_the_row_is(account: Account) -> None:
    def receive(instance: Employee, **_: object) -> None:
        instance.account = account

    models.signals.pre_save.connect(receive, sender=Employee)
    try:
        current_keys().prepare(account.tenant_id, ["pii", "secret"], search=True)
        row = Employee.objects.create(phone="1", salary=10)
    finally:
        models.signals.pre_save.disconnect(receive, sender=Employee)
    assert fresh(row).phone == "1"


def test_a_save_that_fails_leaves_the_row_as_it_was_and_may_be_repeated(account: Account) -> None:
    Person.objects.create(account=account, email="ann@example.com")
    row = Person(account=account, email="ann@example.com", phone="1")
    with pytest.raises(Exception, match="person_email_once"):
        row.save()
    row.email = "other@example.com"
    row.save()
    assert (fresh(row).email, fresh(row).phone) == ("other@example.com", "1")


def test_the_ambient_tenant_goes_along_to_other_threads_of_django(acme: UUID) -> None:
    from asgiref.sync import async_to_sync

    async def work() -> str:
        with using_tenant(acme):
            made = await Everything.objects.acreate(char="a")
            found = await Everything.objects.decrypted().aget(pk=made.pk)
            await found.arefresh_from_db()
            rows = [row async for row in Everything.objects.decrypted().filter(pk=made.pk)]
            return f"{vars(rows[0])['char'].open()}"

    assert async_to_sync(work)() == "a"
