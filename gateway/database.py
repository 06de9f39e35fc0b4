"""Which connection a query goes to: the scope's own; outside of a scope, the writer."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from tenants.consistency import FORWARDING, LOCAL, WRITER
from tenants.errors import ScopeMisused
from tenants.scope import current_alias

MIGRATOR = "migrator"


class RegionRouter:
    """Reads and writes inside a scope use its connection. Sessions and users, which have no tenant, use the writer: a
    sign-in must be seen by the very next request, which a replica cannot promise."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:  # noqa: ARG002 - Django's signature
        """The connection of the scope, else the writer."""
        return current_alias.get() or WRITER

    def db_for_write(self, model: type[Model], **hints: Any) -> str:  # noqa: ARG002 - Django's signature
        """The writer, or what hands on to it; a write in a read scope is a mistake and is refused before it reaches a
        replica."""
        if current_alias.get() == LOCAL:
            raise ScopeMisused(f"{model.__name__} cannot be written in a read scope.")
        return FORWARDING if current_alias.get() == FORWARDING else WRITER

    def allow_relation(self, first: Model, second: Model, **hints: Any) -> bool:  # noqa: ARG002
        """One database behind all aliases."""
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:  # noqa: ARG002
        """Migrations run as the owner of the tables, through a connection of its own."""
        return db == MIGRATOR
