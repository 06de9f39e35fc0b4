# mypy: disable-error-code=type-arg
# Django's fields take type arguments in the stubs alone.
"""The fields themselves: each is Django's own, encrypted. They differ in the JSON form of a value."""

from __future__ import annotations

import base64
import json
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.db import DataError, models
from django.db.backends.utils import format_number
from django.utils import timezone

from crypto.part import JsonValue
from tenants.fields.base import EncryptedField


class _EncryptedText(EncryptedField):
    """Text has a value for nothing, ''; as with Django's fields a new row begins with it, unless it may be NULL."""

    def encode(self, value: Any) -> JsonValue:
        """Text, of at most `max_length` characters: there is no column that would keep to it."""
        text = str(value)
        longest: int | None = getattr(self, "max_length", None)
        if longest is not None and len(text) > longest:
            raise DataError(f"the value is longer than {longest} characters")
        return text

    def get_default(self) -> Any:
        """An empty text where nothing else was said."""
        return super().get_default() if self.has_default() or self.null else ""


class EncryptedCharField(_EncryptedText, models.CharField):
    """CharField, encrypted."""


class EncryptedTextField(_EncryptedText, models.TextField):
    """TextField, encrypted. Its `max_length` is the form's alone, as with Django's."""

    def encode(self, value: Any) -> JsonValue:
        """Text of any length."""
        return str(value)


class EncryptedEmailField(_EncryptedText, models.EmailField):
    """EmailField, encrypted."""


class EncryptedIntegerField(EncryptedField, models.IntegerField):
    """IntegerField, encrypted; it holds 64 bits."""

    def encode(self, value: Any) -> JsonValue:
        """A number."""
        return int(value)


class EncryptedDecimalField(EncryptedField, models.DecimalField):
    """DecimalField, encrypted; rounded to `decimal_places` as PostgreSQL would."""

    def encode(self, value: Any) -> JsonValue:
        """Text with all its places, so that 1.5 and 1.50 are equal."""
        number: Decimal = self.to_python(value)
        return format_number(number, self.max_digits, self.decimal_places)


class EncryptedDateField(EncryptedField, models.DateField):
    """DateField, encrypted."""

    def encode(self, value: Any) -> JsonValue:
        """ISO 8601."""
        day: date = self.to_python(value)
        return day.isoformat()


class EncryptedDateTimeField(EncryptedField, models.DateTimeField):
    """DateTimeField, encrypted; with USE_TZ it is read in UTC."""

    def encode(self, value: Any) -> JsonValue:
        """ISO 8601; in UTC, so that equal moments are equal."""
        moment: datetime = self.to_python(value)
        if not settings.USE_TZ:
            return moment.isoformat()
        if timezone.is_naive(moment):
            warnings.warn(f"{self.label} was given a naive datetime.", RuntimeWarning, stacklevel=2)
            moment = timezone.make_aware(moment)
        return moment.astimezone(UTC).isoformat()

    def decode(self, stored: Any) -> datetime:
        """A moment."""
        moment = datetime.fromisoformat(stored)
        return moment.replace(tzinfo=UTC) if settings.USE_TZ and not moment.tzinfo else moment


class EncryptedBooleanField(EncryptedField, models.BooleanField):
    """BooleanField, encrypted. Two tokens would tell everything, so it cannot be searched."""

    may_be_searched = False

    def encode(self, value: Any) -> JsonValue:
        """True or false."""
        return bool(self.to_python(value))

    def formfield(self, *args: Any, reveal: bool = False, **kwargs: Any) -> Any:
        """A box that is not ticked says no, which a mask must not: so there is a choice of three."""
        if not reveal:
            kwargs.setdefault("form_class", _YesOrNo)
            kwargs["required"] = not (self.blank or self.null)
        return super().formfield(*args, reveal=reveal, **kwargs)


class _YesOrNo(forms.TypedChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        choices = [("", "---------"), ("true", "Yes"), ("false", "No")]
        super().__init__(
            choices=choices, coerce=lambda text: text == "true", empty_value=None, **kwargs
        )


class EncryptedJSONField(EncryptedField, models.JSONField):
    """JSONField, encrypted: read whole, not asked for keys."""

    may_be_searched = False
    is_mutable: ClassVar[bool] = True

    def encode(self, value: Any) -> JsonValue:
        """JSON within JSON: what the `encoder` writes is what the `decoder` reads, large numbers included."""
        return json.dumps(value, cls=self.encoder)

    def decode(self, stored: Any) -> Any:
        """The document."""
        return json.loads(stored, cls=self.decoder)


class EncryptedUUIDField(EncryptedField, models.UUIDField):
    """UUIDField, encrypted."""

    def encode(self, value: Any) -> JsonValue:
        """The usual text."""
        return str(self.to_python(value))


class EncryptedBinaryField(EncryptedField, models.BinaryField):
    """BinaryField, encrypted; it is read as `bytes`."""

    may_be_searched = False
    is_mutable: ClassVar[bool] = True  # a bytearray is

    def encode(self, value: Any) -> JsonValue:
        """Base64."""
        return base64.b64encode(bytes(memoryview(value))).decode()

    def decode(self, stored: Any) -> bytes:
        """The bytes."""
        return base64.b64decode(stored, validate=True)

    def get_default(self) -> Any:
        """No bytes where nothing else was said, as Django's."""
        return super().get_default() if self.has_default() or self.null else b""
