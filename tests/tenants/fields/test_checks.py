"""System checks: every mistake in a model has an id and a hint, and the models of these tests make none."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.core import checks
from django.db import models
from django.test.utils import isolate_apps

from tenants.fields import (
    EncryptedBooleanField,
    EncryptedCharField,
    EncryptedJSONField,
    EncryptedManager,
    Equality,
)
from tests.tenants.fields.crm.models import MODELS

FIELDS: dict[str, tuple[str, Any]] = {
    "unique": ("E001", lambda: EncryptedCharField(max_length=5, unique=True)),
    "index": ("E001", lambda: EncryptedCharField(max_length=5, db_index=True)),
    "primary key": ("E001", lambda: EncryptedCharField(max_length=5, primary_key=True)),
    "unique by month": ("E001", lambda: EncryptedCharField(unique_for_month="day")),
    "database default": ("E002", lambda: EncryptedCharField(max_length=5, db_default="x")),
    "search of yes and no": ("E005", lambda: EncryptedBooleanField(queries=Equality())),
    "search of documents": ("E005", lambda: EncryptedJSONField(queries=Equality())),
    "normaliser": ("E005", lambda: EncryptedCharField(max_length=5, queries=Equality("x"))),
    "no path": ("E007", lambda: EncryptedCharField(max_length=5, tenant="nobody")),
    "broken path": ("E007", lambda: EncryptedCharField(max_length=5, tenant="day__tenant")),
    "no uuid": ("E007", lambda: EncryptedCharField(max_length=5, tenant="day")),
    "row": ("E008", lambda: EncryptedCharField(max_length=5, bind_row=True)),
    "classification": ("E009", lambda: EncryptedCharField(max_length=5, classification="a b")),
    "long classification": ("E009", lambda: EncryptedCharField(classification="x" * 41)),
    "place": ("E010", lambda: EncryptedCharField(max_length=5, bound_to="person")),
}


def found(model: type[models.Model]) -> list[str]:
    errors = [error for error in model.check() if str(error.id).startswith("encrypted_fields.")]
    assert all(error.hint and error.level == checks.ERROR for error in errors)
    return sorted({str(error.id).removeprefix("encrypted_fields.") for error in errors})


@pytest.mark.parametrize("name", FIELDS)
@isolate_apps("tests")
def test_a_wrong_field_is_found(name: str) -> None:
    expected, make = FIELDS[name]

    class Thing(models.Model):
        day = models.DateField()
        field = make()

        class Meta:
            app_label = "tests"

    assert found(Thing) == [expected]


META: dict[str, tuple[str, dict[str, Any]]] = {
    "ordering": ("E003", {"ordering": ["-field"]}),
    "latest": ("E003", {"get_latest_by": "field"}),
    "unique together": ("E004", {"unique_together": [("day", "field")]}),
    "index": ("E004", {"indexes": [models.Index(fields=["-field"], name="i")]}),
    "including": ("E004", {"indexes": [models.Index(fields=["day"], include=["field"], name="i")]}),
    "expression": (
        "E004",
        {"indexes": [models.Index(models.functions.Upper("field"), name="i")]},
    ),
    "constraint": (
        "E004",
        {"constraints": [models.UniqueConstraint(fields=["day", "field"], name="c")]},
    ),
}


@pytest.mark.parametrize("name", META)
@isolate_apps("tests")
def test_a_wrong_meta_is_found(name: str) -> None:
    expected, options = META[name]

    class Thing(models.Model):
        day = models.DateField()
        field = EncryptedCharField(max_length=5)

        Meta = type("Meta", (), {"app_label": "tests", **options})

    assert found(Thing) == [expected]


@isolate_apps("tests")
def test_a_manager_that_would_pass_plain_values_on_is_found() -> None:
    class People(models.Manager):  # type: ignore[type-arg]  # as a project would write it
        pass

    class Careful(EncryptedManager, People):
        pass

    class Thing(models.Model):
        field = EncryptedCharField(max_length=5)
        objects = People()

        class Meta:
            app_label = "tests"

    class Other(models.Model):
        field = EncryptedCharField(max_length=5)
        objects = Careful()

        class Meta:
            app_label = "tests"

    assert found(Thing) == ["E011"]
    assert found(Other) == []


@isolate_apps("tests")
def test_a_name_that_the_tokens_need_is_found_to_be_taken() -> None:
    class Thing(models.Model):
        field_bidx = models.TextField()
        field = EncryptedCharField(max_length=5, queries=Equality())

        class Meta:
            app_label = "tests"

    assert found(Thing) == ["E006"]


@isolate_apps("tests")
def test_paths_to_the_tenant_of_every_kind_are_right() -> None:
    class Account(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)

        class Meta:
            app_label = "tests"

    class Thing(models.Model):
        account = models.ForeignKey(Account, on_delete=models.CASCADE)
        tenant_id = models.UUIDField()
        field = EncryptedCharField(max_length=5, tenant="account")
        other = EncryptedCharField(max_length=5, tenant="account__id")
        third = EncryptedCharField(max_length=5, tenant="tenant_id")

        class Meta:
            app_label = "tests"

    assert found(Thing) == []
    row = Thing(account_id=uuid.UUID(int=1), tenant_id=uuid.UUID(int=2))
    assert Thing._meta.get_field("field").tenant_of(row) == uuid.UUID(int=1)
    assert Thing._meta.get_field("third").tenant_of(row) == uuid.UUID(int=2)


def test_the_models_of_these_tests_are_right() -> None:
    for model in MODELS:
        assert model.check(databases=["default"]) == []


@isolate_apps("tests")
def test_fields_come_along_from_an_abstract_model_and_to_a_proxy() -> None:
    class Base(models.Model):
        field = EncryptedCharField(max_length=5, queries=Equality())

        class Meta:
            app_label = "tests"
            abstract = True

    class One(Base):
        pass

    class Two(Base):
        pass

    class Proxy(One):
        class Meta:
            app_label = "tests"
            proxy = True

    for model in (One, Two, Proxy):
        assert found(model) == []
        names = [field.name for field in model._meta.concrete_fields]
        assert names == ["id", "field", "field_bidx"]
    assert One._meta.get_field("field").place == ("tests.one", "field")
    assert Two._meta.get_field("field").place == ("tests.two", "field")
    assert Proxy._meta.get_field("field").place == ("tests.one", "field")
