"""Django REST framework: what its `ModelSerializer` makes of an encrypted field by itself shows a mask.

A serializer that shows plain values says so, by declaring the field: `email = serializers.EmailField()`.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.apps import apps

from tenants.fields.base import EncryptedField
from tenants.fields.queryset import encrypted_fields
from tenants.fields.value import MASK

_DONE = "_masks_encrypted_fields"


class Masked:
    """Mixed in front of a serializer field: writes as that one does, reads as a mask, which is no input."""

    model_field: EncryptedField

    def get_attribute(self, instance: Any) -> Any:
        """None or a mask; nothing is opened."""
        return None if self.model_field.held(instance) is None else MASK

    def to_representation(self, value: Any) -> Any:
        """The mask, whatever is given."""
        return value if value is None else MASK

    def run_validation(self, data: Any = None) -> Any:
        """As the plain field does. A client that sends the mask back means no change, and must leave the field out."""
        from rest_framework.exceptions import ValidationError  # noqa: PLC0415 - see install()

        if data == MASK:
            raise ValidationError("This is the mask of an encrypted value: leave the field out.")
        return super().run_validation(data)  # type: ignore[misc]  # of the field that it is mixed with


def install() -> None:
    """Teach `ModelSerializer`, where Django REST framework is installed and a model has encrypted fields."""
    if not apps.is_installed("rest_framework") or not any(map(encrypted_fields, apps.get_models())):
        return
    from rest_framework.serializers import ModelSerializer  # noqa: PLC0415 - needs the apps to be ready

    if not hasattr(ModelSerializer, _DONE):
        build = _building(ModelSerializer.build_standard_field)
        ModelSerializer.build_standard_field = build  # type: ignore[method-assign]  # there is no hook
        setattr(ModelSerializer, _DONE, True)


def _building(build: Any) -> Any:
    @wraps(build)
    def build_standard_field(self: Any, field_name: str, model_field: Any) -> Any:
        kind, kwargs = build(self, field_name, model_field)
        if isinstance(model_field, EncryptedField):
            kind = type(f"Masked{kind.__name__}", (Masked, kind), {"model_field": model_field})
        return kind, kwargs

    return build_standard_field
