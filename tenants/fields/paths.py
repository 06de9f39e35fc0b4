"""The path from a row to its tenant's id: names of relations, and of a UUID column at the end."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, UUIDField
from django.db.models.constants import LOOKUP_SEP


class PathBroken(Exception):
    """The path leads nowhere, or to something else than a UUID; the text says where it ends."""


def follow(instance: Model, path: str) -> Any:
    """What stands at the end, or None where a relation on the way is empty. May load related rows."""
    found: Any = instance
    *relations, last = path.split(LOOKUP_SEP)
    for name in relations:
        found = getattr(found, name)
        if found is None:
            return None
    # A relation's own column is read, so that the related row need not be loaded.
    return getattr(found, found._meta.get_field(last).attname)


def resolve(model: type[Model], path: str) -> None:
    """Raise `PathBroken` unless the path leads from the model to the UUID of a tenant."""
    *relations, last = path.split(LOOKUP_SEP)
    for name in relations:
        field = _field(model, name)
        if not (field.many_to_one or field.one_to_one) or not field.concrete:
            raise PathBroken(f"{model.__name__}.{name} is no foreign key")
        model = field.related_model
    field = _field(model, last)
    while getattr(field, "remote_field", None) and field.concrete and not field.many_to_many:
        field = field.target_field
    if not isinstance(field, UUIDField):
        raise PathBroken(f"{model.__name__}.{last} is no UUID")


def head(path: str) -> str:
    """The column of the row itself at which the path begins."""
    return path.split(LOOKUP_SEP, maxsplit=1)[0]


def _field(model: type[Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        raise PathBroken(f"{model.__name__} has no field {name}") from None
