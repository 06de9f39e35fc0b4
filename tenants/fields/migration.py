"""Turning a plain column into an encrypted one is refused: its values would stay as they are, in plain.

PostgreSQL casts text to bytes without a word. So before migrations run their plan is looked through.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.core.management import CommandError
from django.db.migrations.operations import AlterField

from tenants.fields.base import EncryptedField


def refuse_alteration(sender: Any, apps: Any = None, plan: Any = (), **_: object) -> None:
    """Raise `CommandError` where the plan changes a column between plain and encrypted."""
    for migration, backwards in plan:
        for operation in migration.operations:
            if (
                migration.app_label == sender.label
                and not backwards
                and isinstance(operation, AlterField)
                and _changes_kind(apps, sender.label, operation)
            ):
                raise CommandError(
                    f"{migration} would make {operation.model_name}.{operation.name} encrypted in name alone, or plain"
                    " with ciphertext in it: add a second column, fill it with encrypt_field, then drop the first"
                    " (docs/django-fields.md, Adopting a column)."
                )


def _changes_kind(apps: Any, label: str, operation: AlterField) -> bool:
    try:
        before = apps.get_model(label, operation.model_name)._meta.get_field(operation.name)
    except (LookupError, FieldDoesNotExist):
        return False  # the plan itself makes the table, which is empty
    return isinstance(before, EncryptedField) != isinstance(operation.field, EncryptedField)
