"""Collections: named sets of records, each with one schema."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.urls import reverse
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.operation import TenantAppView, operation
from gateway.api.shapes import Answer, Body
from tenants.errors import CollectionExists, CollectionNotFound, LimitReached
from tenants.selectors.collections import CollectionView, get_collection, list_collections
from tenants.services.collections import define_collection
from tenants.states import ApiScope

EXAMPLE = {
    "fields": [
        {"name": "city", "type": "string", "protection": "clear"},
        {
            "name": "email",
            "type": "string",
            "protection": "sealed",
            "classification": "pii",
            "searchable": True,
            "unique": True,
            "normaliser": "email",
        },
    ]
}


class NewCollection(Body):
    """The schema of a collection: `{"fields": [{"name", "type", "protection", "classification", ...}]}`."""

    schema: Annotated[dict[str, Any], Meta(examples=[EXAMPLE])]


class Collection(Answer):
    """A collection and its schema in canonical form."""

    name: str
    schema: dict[str, Any]
    created_at: datetime


class CollectionList(Answer):
    """All collections of the tenant, by name."""

    collections: list[Collection]


def collection_of(view: CollectionView) -> Collection:
    """The shape of a collection."""
    return Collection(name=view.name, schema=view.document, created_at=view.created_at)


class Collections(TenantAppView):
    """/collections"""

    @operation("listCollections", answers={200: CollectionList})
    def get(self, request: Request) -> Response:
        """List collections"""
        views = list_collections(caller=self.caller)
        return Response(CollectionList(collections=[collection_of(view) for view in views]))


class OneCollection(TenantAppView):
    """/collections/{collection}"""

    @operation(
        "defineCollection",
        body=NewCollection,
        answers={200: Collection, 201: Collection},
        scope=ApiScope.COLLECTIONS_WRITE,
        errors=(CollectionExists, LimitReached),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def put(self, request: Request, collection: str, body: NewCollection) -> Response:
        """Define a collection

        201 when it is new, 200 when it is there with the same schema; another schema is a conflict.
        """
        view = define_collection(caller=self.caller, name=collection, document=body.schema)
        where = reverse("api:collection", args=[view.name])
        return Response(
            collection_of(view), status=201 if view.created else 200, headers={LOCATION: where}
        )

    @operation("getCollection", answers={200: Collection}, errors=(CollectionNotFound,))
    def get(self, request: Request, collection: str) -> Response:
        """One collection"""
        return Response(collection_of(get_collection(caller=self.caller, name=collection)))
