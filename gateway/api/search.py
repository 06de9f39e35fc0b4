"""Search: records by conditions on their fields. Values travel in the body: URLs end up in logs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from crypto.errors import DecryptionFailed
from gateway.api.headers import CONSISTENCY_TOKEN
from gateway.api.operation import TenantAppView, operation
from gateway.api.records import Record, RecordPage
from gateway.api.shapes import Body, Cursor, PageSize, list_of
from tenants.errors import CollectionNotFound
from tenants.services.records import SearchCondition, search_records
from tenants.states import ApiScope

MAX_CONDITIONS = 10
Operator = Literal["eq", "in", "ne", "lt", "lte", "gt", "gte", "prefix", "is_null"]


class Condition(Body):
    """What one field must be. `in` takes a list of values, `is_null` true or false, all others one value."""

    field: Annotated[str, Meta(max_length=64, examples=["email"])]
    value: Annotated[str | int | float | bool | list[Any], Meta(examples=["ann@example.org"])]
    op: Operator = "eq"


class SearchQuery(Body):
    """Conditions that records must all meet, 1 to 10; those behind `after`."""

    where: Annotated[list[Condition], Meta(min_length=1, max_length=MAX_CONDITIONS)]
    after: Cursor | None = None
    limit: PageSize = 50


class Search(TenantAppView):
    """/collections/{collection}/search"""

    @operation(
        "searchRecords",
        body=SearchQuery,
        answers={200: RecordPage},
        scope=ApiScope.RECORDS_SEARCH,
        errors=(CollectionNotFound, DecryptionFailed),
        request_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, collection: str, body: SearchQuery) -> Response:
        """Find records by their fields

        One condition at least must be `eq` or `in` on a searchable field. Sealed fields take these two alone, clear
        ones whatever their type has an order for. Records come oldest first. A page may have fewer records than
        `limit`, even none, while `next` is not null: go on until it is.
        """
        page = search_records(
            caller=self.caller,
            collection=collection,
            where=[SearchCondition(each.field, each.op, each.value) for each in body.where],
            after=body.after,
            limit=body.limit,
        )
        return Response(RecordPage(records=list_of(page.records, Record), next=page.next))
