"""Reads collections: what a tenant has defined, and the compiled schema that services work with."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.conf import settings
from django.db.models import TextField
from django.db.models.functions import Cast

from crypto.part import JsonValue
from tenants.errors import CollectionNotFound
from tenants.models import Collection
from tenants.schema import Schema, compile_schema
from tenants.scope import Mode, current_tenant, tenant_scope

if TYPE_CHECKING:
    from tenants.selectors import Caller

_MAX_HELD: Final = 2048
NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A collection as its tenant sees it. `created` says whether this very call made it."""

    name: str
    document: dict[str, JsonValue]
    created_at: datetime
    created: bool = False


@dataclass(frozen=True, slots=True)
class StoredCollection:
    """A collection as services need it."""

    id: UUID
    name: str
    schema: Schema


_held: dict[tuple[UUID, str], StoredCollection] = {}
_holding = threading.Lock()


def list_collections(caller: Caller) -> list[CollectionView]:
    """All collections of the tenant, by name. Raises `TenantNotActive` and `RegionNotAllowed`."""
    _check_served(caller)
    with tenant_scope(caller.tenant_id, "read"):
        return [
            view_of(row)
            for row in Collection.objects.filter(tenant_id=caller.tenant_id).order_by("name")
        ]


def get_collection(caller: Caller, name: str) -> CollectionView:
    """One collection. Raises `CollectionNotFound`, `TenantNotActive` and `RegionNotAllowed`."""
    _check_served(caller)
    with tenant_scope(caller.tenant_id, "read"):
        row = Collection.objects.filter(tenant_id=caller.tenant_id, name=_known_form(name)).first()
    if row is None:
        raise CollectionNotFound("No such collection.")
    return view_of(row)


def view_of(row: Collection, *, created: bool = False) -> CollectionView:
    """The row without its model, so that nothing lazy leaves the scope."""
    return CollectionView(row.name, row.schema, row.created_at, created)


def find_collection(tenant_id: UUID, name: str, mode: Mode = "read") -> StoredCollection:
    """Outside of a scope: the collection with its compiled schema, or `CollectionNotFound`."""
    if held := _held.get((tenant_id, name)):
        return held
    with tenant_scope(tenant_id, mode):
        return load_collection(tenant_id, name)


def load_collection(tenant_id: UUID, name: str) -> StoredCollection:
    """Inside a scope: the collection with its compiled schema, or `CollectionNotFound`.

    One query in the life of a process, since no request can change a collection, and it goes with its tenant alone.
    What is held is answered in that tenant's own scope only: row-level security would hide it in any other.
    """
    if current_tenant.get() == tenant_id and (held := _held.get((tenant_id, name))):
        return held
    found = (
        Collection.objects.filter(tenant_id=tenant_id, name=_known_form(name))
        .values_list("id", Cast("schema", TextField()))
        .first()
    )
    if found is None:
        raise CollectionNotFound("No such collection.")
    collection = StoredCollection(found[0], name, compile_schema(found[1]))
    with _holding:
        if len(_held) >= _MAX_HELD:
            del _held[next(iter(_held))]
        _held[tenant_id, name] = collection
    return collection


def _check_served(caller: Caller) -> None:
    caller.need_active()
    caller.need_region(settings.GATEWAY_REGION)


def _known_form(name: str) -> str:
    """The name, unless no collection can be called so: PostgreSQL refuses some texts (U+0000) with an error."""
    if not NAME.match(name):
        raise CollectionNotFound("No such collection.")
    return name
