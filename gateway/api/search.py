"""Search: records by the exact value of a searchable field. The value travels in the body: URLs end up in logs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from crypto.errors import DecryptionFailed
from gateway.api.headers import CONSISTENCY_TOKEN
from gateway.api.operation import TenantAppView, operation
from gateway.api.records import Record
from gateway.api.shapes import Answer, Body, PageSize, list_of
from tenants.errors import AnswerFull, CollectionNotFound
from tenants.services.records import search_records
from tenants.states import ApiScope


class SearchTerm(Body):
    """A field and the value that it must have, up to the field's normaliser."""

    field: Annotated[str, Meta(max_length=64, examples=["email"])]
    value: Annotated[str | int | float | bool, Meta(examples=["ann@example.org"])]
    limit: PageSize = 50


class FoundRecords(Answer):
    """The records that hold the value."""

    records: list[Record]


class Search(TenantAppView):
    """/collections/{collection}/search"""

    @operation(
        "searchRecords",
        body=SearchTerm,
        answers={200: FoundRecords},
        scope=ApiScope.RECORDS_SEARCH,
        errors=(CollectionNotFound, DecryptionFailed, AnswerFull),
        request_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, collection: str, body: SearchTerm) -> Response:
        """Find records by the exact value of a searchable field"""
        found = search_records(
            caller=self.caller,
            collection=collection,
            field=body.field,
            value=body.value,
            limit=body.limit,
        )
        return Response(FoundRecords(records=list_of(found, Record)))
