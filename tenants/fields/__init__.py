"""Encrypted model fields for Django projects that install this project's apps; docs/django-fields.md is the manual.

    class Person(models.Model):
        account = models.ForeignKey(Account, on_delete=models.PROTECT)
        email = EncryptedEmailField(tenant="account__tenant_id", queries=Equality("email"))

Each value is one AWS Encryption SDK message under the tenant's own key. It is sealed when the row is saved, and opened
when the attribute is read.
"""

from __future__ import annotations

from django.db.models.signals import class_prepared, pre_migrate

from .ambient import current_tenant, using_tenant
from .base import EncryptedField
from .errors import KeyNotPrepared, TenantMissing, WrongRow, WrongTenant
from .family import (
    EncryptedBinaryField,
    EncryptedBooleanField,
    EncryptedCharField,
    EncryptedDateField,
    EncryptedDateTimeField,
    EncryptedDecimalField,
    EncryptedEmailField,
    EncryptedIntegerField,
    EncryptedJSONField,
    EncryptedTextField,
    EncryptedUUIDField,
)
from .hooks import prepare_model
from .keys import prepare
from .migration import refuse_alteration
from .queryset import EncryptedManager, EncryptedQuerySet, prefetch_decrypt
from .search import BlindIndexField, Equality
from .transactions import atomic_with_keys
from .value import MASK, EncryptedValue

__all__ = [
    "MASK",
    "BlindIndexField",
    "EncryptedBinaryField",
    "EncryptedBooleanField",
    "EncryptedCharField",
    "EncryptedDateField",
    "EncryptedDateTimeField",
    "EncryptedDecimalField",
    "EncryptedEmailField",
    "EncryptedField",
    "EncryptedIntegerField",
    "EncryptedJSONField",
    "EncryptedManager",
    "EncryptedQuerySet",
    "EncryptedTextField",
    "EncryptedUUIDField",
    "EncryptedValue",
    "Equality",
    "KeyNotPrepared",
    "TenantMissing",
    "WrongRow",
    "WrongTenant",
    "atomic_with_keys",
    "current_tenant",
    "prefetch_decrypt",
    "prepare",
    "using_tenant",
]

class_prepared.connect(prepare_model, dispatch_uid="tenants.fields")
pre_migrate.connect(refuse_alteration, dispatch_uid="tenants.fields")
