"""The attribute of an encrypted field on an instance: it opens when it is read, and never before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import FieldError
from django.db.models import Model
from django.db.models.query_utils import DeferredAttribute

from tenants.fields.value import EncryptedValue

if TYPE_CHECKING:
    from tenants.fields.base import EncryptedField

_ALL: Final = object()
# Whose attributes give the held value instead of opening it: those of all instances, or those of copies of one.
_unopened: ContextVar[object] = ContextVar("encrypted_fields_unopened", default=None)


@contextmanager
def unopened(copies_of: Model | None = None) -> Iterator[None]:
    """Let attributes give what is held. With `copies_of` only those of other instances of the same row do."""
    token = _unopened.set(_ALL if copies_of is None else copies_of)
    try:
        yield
    finally:
        _unopened.reset(token)


class EncryptedAttribute(DeferredAttribute):
    """Gives the plain value; `instance.__dict__` holds an `EncryptedValue` or None."""

    field: EncryptedField

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        held = super().__get__(instance, cls)
        if instance is None or held is None or stays_closed(instance):
            return held
        return held.open() if held.is_open else held.open(self.field.where(instance))

    def __set__(self, instance: Model, value: Any) -> None:
        field, data = self.field, instance.__dict__
        if isinstance(value, EncryptedValue):
            if value.field.place != field.place:
                raise TypeError(f"This is a value of {value.field.label}: open() it first.")
            if field.attname in data:  # and not just loaded, together with its token
                field.forget_token(instance)
            data[field.attname] = value
            return
        if hasattr(value, "resolve_expression"):
            raise FieldError(f"{field.label} is encrypted: the database cannot compute it.")
        held = data.get(field.attname)
        if value is None or not (held and held.holds(value)):
            data[field.attname] = None if value is None else EncryptedValue.plain(field, value)
            field.forget_token(instance)


def stays_closed(instance: Model) -> bool:
    """Whether this instance's attributes give what is held."""
    wanted = _unopened.get()
    if wanted is None or wanted is instance:
        return False
    return wanted is _ALL or (
        isinstance(wanted, Model)
        and instance._meta.concrete_model is wanted._meta.concrete_model
        and instance.pk == wanted.pk
    )
