"""Rows of a table in batches, for commands that rewrite a column: resumable, and outside of transactions but to write.

A row is written where it is still as it was read. One that has changed meanwhile is left to the next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.core.exceptions import FieldDoesNotExist
from django.db import DataError, transaction
from django.db.models import Model, QuerySet

from crypto.errors import CryptoError
from tenants.errors import ScopeMisused, TenantError
from tenants.fields.ambient import using_tenant
from tenants.fields.base import EncryptedField

# What a single row may be guilty of: it is counted and passed over. KMS or the registry being away ends the run.
ROW_ERRORS = (ScopeMisused, DataError, TenantError, CryptoError)


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows: those of a model that the filters let through, for fields without a path of one tenant."""

    model: type[Model]
    tenant: UUID | None = None
    where: Mapping[str, Any] = field(default_factory=dict)

    def all(self) -> QuerySet[Model]:
        """A new queryset, of Django's own kind: past what the model's managers hide, and what ours would seal again."""
        return QuerySet(self.model).filter(**self.where)

    def acting(self) -> ExitStack:
        """Act for the one tenant, where it was named."""
        stack = ExitStack()
        if self.tenant is not None:
            stack.enter_context(using_tenant(self.tenant))
        return stack

    def batches(self, rows: QuerySet[Model], size: int) -> Iterator[list[Model]]:
        """These rows by primary key; nothing is held between two batches."""
        last: Any = None
        while True:
            more = rows if last is None else rows.filter(pk__gt=last)
            batch = list(more.order_by("pk")[:size])
            if not batch:
                return
            yield batch
            last = batch[-1].pk


@dataclass(slots=True)
class Outcome:
    """What a run has done: rows written, changed meanwhile, and those passed over by the kind of their fault."""

    written: int = 0
    changed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Any] = field(default_factory=dict)

    def note(self, error: Exception, row: Model) -> None:
        """Count a row that was passed over."""
        kind = type(error).__name__
        self.faults[kind] += 1
        self.examples.setdefault(kind, row.pk)


@dataclass(frozen=True, slots=True)
class Write:
    """A row's new columns, and what it must still hold for them to be written."""

    pk: Any
    guard: Mapping[str, Any]
    columns: Mapping[str, Any]


def write(rows: Rows, writes: list[Write], outcome: Outcome) -> None:
    """Write one batch in one short transaction. Everything is sealed by now."""
    with transaction.atomic(using=rows.all().db, durable=True):
        for one in writes:
            found = rows.all().filter(pk=one.pk, **one.guard).update(**one.columns)
            outcome.written += found
            outcome.changed += not found


def encrypted_field(model: type[Model], name: str) -> EncryptedField:
    """That field of the model. Raises `FieldDoesNotExist`, also for one that is not encrypted."""
    found: Any = model._meta.get_field(name)
    if not isinstance(found, EncryptedField):
        raise FieldDoesNotExist(f"{model._meta.label}.{name} is no encrypted field.")
    return found
