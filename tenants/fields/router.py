"""The database router of a Django project that installs these apps: only the registry's tables are its business."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from tenants.consistency import WRITER
from tenants.scope import current_alias


class RegistryRouter:
    """Tables of the app `tenants` are reached on the connection of the open scope; all others as the project says."""

    def db_for_read(self, model: type[Model], **_: Any) -> str | None:
        """The scope's connection."""
        return (current_alias.get() or WRITER) if model._meta.app_label == "tenants" else None

    def db_for_write(self, model: type[Model], **_: Any) -> str | None:
        """The writer."""
        return WRITER if model._meta.app_label == "tenants" else None
