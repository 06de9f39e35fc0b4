"""What the database is asked about an encrypted column: selected and tested for NULL; all else raises with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import FieldError
from django.db import ProgrammingError
from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Length, Lower, Upper

from tenants.fields import EncryptedValue, using_tenant
from tests.tenants.fields.crm.models import Account, Contact, Employee, Everything, Person

REFUSED: dict[str, Callable[[Any], Any]] = {
    "annotate": lambda rows: rows.annotate(x=F("phone")),
    "function": lambda rows: rows.annotate(x=Upper("phone")),
    "length": lambda rows: rows.annotate(x=Length("phone")),
    "coalesce": lambda rows: rows.annotate(x=Coalesce("phone", Value("x"))),
    "aggregate": lambda rows: rows.aggregate(Max("phone")),
    "count": lambda rows: rows.aggregate(Count("phone")),
    "case": lambda rows: rows.annotate(x=Case(When(name="a", then=F("phone")))),
    "order": lambda rows: rows.order_by("phone"),
    "order down": lambda rows: rows.order_by("-phone"),
    "latest": lambda rows: rows.latest("phone"),
    "compare": lambda rows: rows.filter(name=F("phone")),
    "compare with it": lambda rows: rows.filter(email=F("name")),
    "one of expressions": lambda rows: rows.filter(email__in=[F("name")]),
    "one of a query": lambda rows: rows.filter(email__in=Person.objects.values("name")),
    "icontains": lambda rows: rows.filter(email__icontains="x"),
    "iexact": lambda rows: rows.filter(email__iexact="x"),
    "gt": lambda rows: rows.filter(email__gt="x"),
    "range": lambda rows: rows.filter(email__range=("a", "b")),
    "regex": lambda rows: rows.filter(email__regex="x"),
    "transform": lambda rows: rows.filter(email__lower="x"),
    "exact without search": lambda rows: rows.filter(phone="1"),
    "in without search": lambda rows: rows.filter(phone__in=["1"]),
    "excluding": lambda rows: rows.exclude(phone="1"),
    "group": lambda rows: rows.values("phone").annotate(n=Count("id")),
    "distinct": lambda rows: rows.values("phone").distinct(),
    "update with it": lambda rows: rows.update(name=F("phone")),
    "update by expression": lambda rows: rows.update(phone=Upper("name")),
    "update by value": lambda rows: rows.update(phone=Value("x")),
    "update by case": lambda rows: rows.update(phone=Case(When(name="a", then=Value("x")))),
    "update by other": lambda rows: rows.update(phone=F("notes")),
    "update by subquery": lambda rows: rows.update(
        phone=Subquery(Person.objects.values("name")[:1])
    ),
    "outer": lambda rows: rows.filter(Exists(Contact.objects.filter(plain=OuterRef("phone")))),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_encrypted_column_in_an_expression_raises(name: str, acme: UUID) -> None:
    with using_tenant(acme), pytest.raises(FieldError, match=r"crm\.Person\.\w+ is encrypted"):
        list(REFUSED[name](Person.objects.all()) or ())


def test_what_django_does_not_ask_about_names_a_column_that_does_not_exist() -> None:
    for rows in (Person.objects.distinct("phone"), Person.objects.order_by(Lower("phone").asc())):
        with pytest.raises(ProgrammingError, match=r"crm\.Person\.phone is encrypted"):
            list(rows)


def test_a_reason_is_given() -> None:
    with pytest.raises(FieldError) as caught:
        Person.objects.filter(phone="1")
    assert str(caught.value) == (
        "crm.Person.phone is encrypted: without queries=Equality() it can only be tested with isnull."
    )
    with pytest.raises(FieldError, match="exact, in and isnull, and not with contains"):
        Person.objects.filter(email__contains="x")


def test_null_is_tested_in_every_way(account: Account) -> None:
    full = Person.objects.create(account=account, email="ann@example.com", notes="n")
    bare = Person.objects.create(account=account)
    rows = Person.objects.filter(account=account)
    assert list(rows.filter(email__isnull=True)) == [bare]
    assert list(rows.filter(email=None)) == [bare]
    assert list(rows.exclude(notes=None)) == [full]
    assert list(rows.exclude(notes__isnull=True)) == [full]
    assert list(rows.filter(Q(notes__isnull=False) | Q(email__isnull=False))) == [full]
    assert list(Account.objects.filter(person__notes__isnull=False, pk=account.pk)) == [account]
    within = Person.objects.filter(notes__isnull=False, account=OuterRef("pk"))
    assert list(Account.objects.filter(Exists(within), pk=account.pk)) == [account]
    inner = Account.objects.filter(pk__in=rows.filter(email__isnull=False).values("account"))
    assert list(inner) == [account]


def test_rows_are_grouped_counted_and_made_distinct_by_their_keys(account: Account) -> None:
    rows = [Person.objects.create(account=account, phone=str(n)) for n in range(3)]
    found = Person.objects.filter(account=account)
    assert found.count() == 3
    assert found.exists()
    assert len(found.distinct()) == 3
    assert [row.n for row in found.annotate(n=Count("account"))] == [1, 1, 1]
    assert len(found.values("id", "phone").annotate(n=Count("account"))) == 3
    assert len(found.values("id", "phone").distinct()) == 3
    assert list(found.annotate(n=Count("id")).order_by("id")) == rows
    assert found.order_by("id")[1:2].get() == rows[1]
    assert len(found.union(Person.objects.filter(pk=rows[0].pk), all=True)) == 4


def test_columns_are_selected_in_every_way(account: Account) -> None:
    row = Person.objects.create(account=account, phone="1")
    joined = Contact.objects.create(account=account, sealed="s")
    assert Contact.objects.select_related("account").get(pk=joined.pk).sealed == "s"
    [value] = Person.objects.filter(pk=row.pk).values_list("phone", flat=True)
    assert isinstance(value, EncryptedValue)
    [through] = Account.objects.filter(person=row).values_list("person__phone", flat=True)
    latest = Person.objects.filter(account=OuterRef("pk")).values("phone")[:1]
    found = Account.objects.annotate(phone=Subquery(latest)).get(pk=account.pk)
    with using_tenant(account.tenant_id):
        assert found.phone.open() == through.open() == "1"
    text = f"select * from {Person._meta.db_table} where id = %s"  # noqa: S608 - a name of the model
    [by_hand] = Person.objects.raw(text, [row.pk])
    assert by_hand.phone == "1"
    assert Person.objects.in_bulk([row.pk])[row.pk].phone == "1"
    prefetched = Account.objects.prefetch_related("person_set").get(pk=account.pk)
    assert [person.phone for person in prefetched.person_set.all()] == ["1"]
    assert [person.phone for person in Person.objects.filter(pk=row.pk).iterator(chunk_size=1)] == [
        "1"
    ]
    from django.db import transaction

    with transaction.atomic():
        assert Person.objects.select_for_update(of=("self",)).get(pk=row.pk).phone == "1"


def test_a_condition_on_a_searchable_field_is_no_expression_on_the_column(account: Account) -> None:
    Person.objects.create(account=account, email="ann@example.com")
    with using_tenant(account.tenant_id):
        found = Person.objects.annotate(
            known=Case(When(email="ann@example.com", then=Value("yes")), default=Value("no"))
        ).filter(account=account)
        assert [row.known for row in found] == ["yes"]


def test_parents_and_children_are_selected_and_tested_together(account: Account) -> None:
    row = Employee.objects.create(account=account, phone="1", salary=10, email="e@example.com")
    found = Employee.objects.get(pk=row.pk)
    assert (found.phone, found.salary) == ("1", 10)
    with using_tenant(account.tenant_id):
        assert Employee.objects.get(email="e@example.com") == row
    assert list(Employee.objects.filter(phone__isnull=True)) == []
    with pytest.raises(FieldError):
        Everything.objects.filter(json__key="x")
