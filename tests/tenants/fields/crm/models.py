"""Accounts whose tenant is in the registry, and people, notes, cards and members of staff that belong to them."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models

from tenants.fields import (
    EncryptedBinaryField,
    EncryptedBooleanField,
    EncryptedCharField,
    EncryptedDateField,
    EncryptedDateTimeField,
    EncryptedDecimalField,
    EncryptedEmailField,
    EncryptedIntegerField,
    EncryptedJSONField,
    EncryptedManager,
    EncryptedTextField,
    EncryptedUUIDField,
    Equality,
)

TENANT = "account__tenant_id"
# Each of several test processes has tables of its own: some tests look at whole tables.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")


class Crm(models.Model):
    """What the models of this app share: in the eyes of mypy, which does not know the app, a manager."""

    if TYPE_CHECKING:
        objects: ClassVar[Any]
        account_id: Any
        email_bidx: Any
        sealed_bidx: Any

    class Meta:
        abstract = True
        app_label = "crm"


class Account(Crm):
    """A customer: whose tenant it is says one column."""

    name = models.CharField(max_length=50)
    tenant_id: Any = models.UUIDField(null=True)


class Person(Crm):
    """Names no manager, as most models do."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True)
    name = models.CharField(max_length=50, blank=True)
    email = EncryptedEmailField(tenant=TENANT, queries=Equality("email"), null=True, blank=True)
    phone = EncryptedCharField(tenant=TENANT, max_length=20, blank=True)
    notes = EncryptedTextField(tenant=TENANT, classification="phi", null=True, blank=True)

    class Meta(Crm.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["account", "email_bidx"], name=f"person_email_once{PROCESS}"
            )
        ]


class Employee(Person):
    """A person in two tables."""

    salary = EncryptedIntegerField(tenant=TENANT, classification="secret", null=True)

    class Meta(Crm.Meta):
        pass


class Everything(Crm):
    """One of each kind, for the ambient tenant."""

    char = EncryptedCharField(max_length=10, null=True)
    text = EncryptedTextField(null=True)
    email = EncryptedEmailField(null=True)
    integer = EncryptedIntegerField(null=True)
    decimal = EncryptedDecimalField(max_digits=10, decimal_places=2, null=True)
    date = EncryptedDateField(null=True)
    moment = EncryptedDateTimeField(null=True)
    boolean = EncryptedBooleanField(null=True)
    json = EncryptedJSONField(null=True)
    uuid = EncryptedUUIDField(null=True)
    binary = EncryptedBinaryField(null=True)
    touched = EncryptedDateTimeField(auto_now=True)


class Searchable(Crm):
    """Every kind that can be searched, for the ambient tenant."""

    char = EncryptedCharField(max_length=10, queries=Equality("casefold"), null=True)
    integer = EncryptedIntegerField(queries=Equality(), null=True)
    decimal = EncryptedDecimalField(max_digits=10, decimal_places=2, queries=Equality(), null=True)
    date = EncryptedDateField(queries=Equality(), null=True)
    moment = EncryptedDateTimeField(queries=Equality(), null=True)
    uuid = EncryptedUUIDField(queries=Equality(), null=True)


class Card(Crm):
    """Bound to its row."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    number = EncryptedCharField(max_length=19, classification="pci", bind_row=True)

    objects = EncryptedManager()


class Contact(Crm):
    """With a column in plain that is to be encrypted."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True)
    plain = models.CharField(max_length=50, null=True)
    sealed = EncryptedCharField(tenant=TENANT, max_length=50, null=True, queries=Equality())
    other = EncryptedCharField(
        tenant=TENANT, max_length=50, null=True, classification="secret", bound_to="crm.old.name"
    )


MODELS: list[type[Any]] = [Account, Person, Employee, Everything, Searchable, Card, Contact]
for _model in MODELS:
    _model._meta.db_table += PROCESS
