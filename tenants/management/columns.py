"""What the commands over encrypted columns share: which field of which rows, and how an outcome is shown."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import CommandError, CommandParser
from django.db.models import Field, Model

from tenants.errors import NotFound
from tenants.fields.batches import Outcome, Rows
from tenants.selectors import get_tenant


def add_arguments(parser: CommandParser) -> None:
    """Which rows, and how many at a time."""
    parser.add_argument("field", help="app.Model.field")
    parser.add_argument("--tenant", help="id or slug, for fields that name no path to the tenant")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="only these rows: a lookup of Django's, its value in JSON or as text",
    )
    parser.add_argument("--batch", type=int, default=500, help="rows a transaction, default 500")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")


def rows_and_field(options: dict[str, Any]) -> tuple[Rows, Field[Any, Any]]:
    """Raises `CommandError` for what does not exist."""
    if options["batch"] < 1:
        raise CommandError("--batch takes a number of rows.")
    label, _, name = options["field"].rpartition(".")
    try:
        model: type[Model] = apps.get_model(label)
        field: Any = model._meta.get_field(name)
    except (LookupError, ValueError, FieldDoesNotExist) as error:
        raise CommandError(f"{options['field']} is no field: name it app.Model.field.") from error
    where = dict(_lookup(text) for text in options["where"])
    return Rows(model, _tenant(options["tenant"]), where), field


def faults(outcome: Outcome) -> list[str]:
    """A line for each kind of fault, with a row to look at."""
    return [
        f"  {count} passed over: {kind}, for example row {outcome.examples[kind]}"
        for kind, count in sorted(outcome.faults.items())
    ]


def _lookup(text: str) -> tuple[str, Any]:
    name, found, value = text.partition("=")
    if not found:
        raise CommandError("--where takes NAME=VALUE.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _tenant(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        pass
    try:
        return get_tenant(text).id
    except NotFound as error:
        raise CommandError(f"There is no tenant {text}.") from error
