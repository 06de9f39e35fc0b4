"""Callers of the cast's tenants, a collection to work with, and a superuser's hands in the database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from django.db import connections
from django.test.utils import CaptureQueriesContext

from tenants.actor import Actor
from tenants.selectors import Caller, get_caller
from tenants.services.access import issue_api_key
from tenants.services.collections import define_collection
from tenants.states import ApiScope
from tests.cast import Cast
from tests.stack import Stack

OPERATOR = Actor(kind="operator", id="test")

PEOPLE: dict[str, Any] = {
    "fields": [
        {"name": "name", "type": "string", "protection": "clear", "required": True},
        {"name": "city", "type": "string", "protection": "clear", "searchable": True, "normaliser": "casefold"},
        {"name": "score", "type": "number", "protection": "clear"},
        {
            "name": "email",
            "type": "string",
            "protection": "sealed",
            "classification": "pii",
            "searchable": True,
            "unique": True,
            "normaliser": "email",
        },
        {
            "name": "ssn",
            "type": "string",
            "protection": "sealed",
            "classification": "pii",
            "searchable": True,
            "normaliser": "digits",
        },
        {"name": "notes", "type": "json", "protection": "sealed", "classification": "phi"},
        {"name": "card", "type": "string", "protection": "sealed", "classification": "pci"},
    ]
}  # fmt: skip


class HasId(Protocol):
    """A tenant, as a row or as a view."""

    @property
    def id(self) -> UUID: ...


def token_of(tenant: HasId, *scopes: str) -> str:
    """A new API key's token, with every scope unless some are named."""
    issued = issue_api_key(
        tenant_id=tenant.id, name="test", scopes=scopes or ApiScope.values, actor=OPERATOR
    )
    return issued.token


def caller_of(tenant: HasId, *scopes: str) -> Caller:
    """The caller of a new API key."""
    return get_caller(token_of(tenant, *scopes))


@lru_cache(maxsize=1)
def shared_acme() -> HasId:
    """One Acme for all tests of this process that change nothing of the tenant itself: onboarding takes seconds."""
    return Cast().acme()


@lru_cache(maxsize=1)
def shared_globex() -> HasId:
    """One Globex, likewise."""
    return Cast().globex()


def people(caller: Caller) -> str:
    """The name of a new, empty collection of people."""
    name = f"people-{secrets.token_hex(4)}"
    define_collection(caller=caller, name=name, document=PEOPLE)
    return name


@contextmanager
def queries() -> Iterator[list[str]]:
    """What is sent to the database on both aliases, in the list once the block has ended."""
    sent: list[str] = []
    with ExitStack() as stack:
        captured = [
            stack.enter_context(CaptureQueriesContext(connections[alias]))
            for alias in ("default", "local")
        ]
        yield sent
    sent += [query["sql"] for capture in captured for query in capture.captured_queries]


def as_superuser(stack: Stack, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run SQL past all fences, as somebody with the database's own superuser would."""
    connection: Any = stack.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


@contextmanager
def reading_from(stack: Stack, region: str) -> Iterator[None]:
    """Let the alias `local` reach that Region's own database, as in a process of that Region."""
    local = connections["local"]
    before = (local.settings_dict["HOST"], local.settings_dict["PORT"])
    environment = stack.env("web", region)
    there = (environment["GATEWAY_READER_HOST"], environment["GATEWAY_READER_PORT"])
    try:
        _point(there)
        yield
    finally:
        _point(before)


def _point(place: tuple[str, str]) -> None:
    local: Any = connections["local"]
    local.close()
    local.close_pool()
    local.settings_dict["HOST"], local.settings_dict["PORT"] = place
