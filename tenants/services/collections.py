"""Defines collections."""

from __future__ import annotations

from typing import Final

from crypto.part import JsonValue
from tenants.actor import Actor
from tenants.errors import CollectionExists, CollectionNotFound, InputInvalid, LimitReached
from tenants.models import Collection
from tenants.schema import parse_schema
from tenants.scope import tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import (
    NAME,
    CollectionView,
    StoredCollection,
    find_collection,
    view_of,
)
from tenants.services.audit import record_event
from tenants.services.regions import check_region
from tenants.states import ApiScope

MAX_COLLECTIONS: Final = 256


def define_collection(*, caller: Caller, name: str, document: JsonValue) -> CollectionView:
    """Make a collection; the same again changes nothing.

    Raises `InputInvalid` with every fault of the name and the schema document, `CollectionExists` where there is one of
    this name with another schema, and `LimitReached`.
    """
    caller.need(ApiScope.COLLECTIONS_WRITE)
    caller.need_active()
    check_region(caller, (), "encrypt")
    if not NAME.match(name):
        rule = "must be 1 to 64 lower-case letters, digits, _ and -, and begin with a letter"
        raise InputInvalid("The collection's name is not valid.", [("/name", rule)])
    canonical = parse_schema(document).as_document()
    row = Collection(tenant_id=caller.tenant_id, name=name, schema=canonical)
    with tenant_scope(caller.tenant_id, "write"):
        Collection.objects.bulk_create([row], ignore_conflicts=True)
        stored = Collection.objects.get(tenant_id=caller.tenant_id, name=name)
        created = stored.id == row.id
        if created:
            _check_number(caller)
            record_event(
                tenant_id=caller.tenant_id,
                actor=Actor(kind="api_key", id=str(caller.api_key_id)),
                action="collection.defined",
                subject=name,
            )
    if stored.schema != canonical:
        raise CollectionExists("A collection of this name is there already, with another schema.")
    return view_of(stored, created=created)


def _check_number(caller: Caller) -> None:
    # They are listed in one answer. Some that come at the same moment may go beyond by their number, which is no harm.
    if Collection.objects.filter(tenant_id=caller.tenant_id).count() > MAX_COLLECTIONS:
        raise LimitReached(f"A tenant has at most {MAX_COLLECTIONS} collections.")


def find_target(caller: Caller, name: str) -> StoredCollection:
    """The collection that is about to be written to, or `CollectionNotFound`.

    One that was defined a moment ago in another Region may not have reached the local reader: then the writer knows.
    """
    try:
        return find_collection(caller.tenant_id, name)
    except CollectionNotFound:
        return find_collection(caller.tenant_id, name, "latest")
