"""Records: create, put, read, list, change, delete, one at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.urls import reverse
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from crypto.errors import DecryptionFailed
from gateway.api.headers import (
    CONSISTENCY_TOKEN,
    ETAG,
    IF_MATCH,
    IF_NONE_MATCH,
    LOCATION,
    entity_tag,
    expectation_of,
    is_unchanged,
)
from gateway.api.operation import TenantAppView, operation
from gateway.api.shapes import Answer, Body, Cursor, PageSize, list_of, shaped
from gateway.errors import ConditionInvalid
from tenants.errors import (
    CollectionNotFound,
    RecordExists,
    RecordNotFound,
    ValueNotUnique,
    VersionConflict,
)
from tenants.services.records import (
    RecordInput,
    create_record,
    delete_record,
    list_records,
    put_record,
    read_record,
    update_record,
)
from tenants.states import ApiScope

RecordId = Annotated[str, Meta(min_length=1, max_length=128)]

EXAMPLE = {"city": "Graz", "email": "ann@example.org"}


class NewRecord(Body):
    """A record to create. Without `id`, the gateway makes one; with it, a retry cannot create twice."""

    fields: Annotated[dict[str, Any], Meta(examples=[EXAMPLE])]
    id: RecordId | None = None


class WholeRecord(Body):
    """All fields of a record; what is not given it does not have."""

    fields: Annotated[dict[str, Any], Meta(examples=[EXAMPLE])]


class Changes(Body):
    """The fields that change; null empties a field, and what is not given stays as it is."""

    fields: Annotated[dict[str, Any], Meta(examples=[EXAMPLE])]


class RecordsQuery(Body):
    """Records by id, those behind `after`."""

    after: Cursor | None = None
    limit: PageSize = 50


class Record(Answer):
    """A record with all its fields in plaintext. `version` counts its writes."""

    id: str
    version: int
    fields: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class RecordVersion(Answer):
    """A record without its fields: what it takes to change it again."""

    id: str
    version: int
    created_at: datetime
    updated_at: datetime


class RecordPage(Answer):
    """Records; `next` goes into `after`, and is null on the last page."""

    records: list[Record]
    next: str | None


class Records(TenantAppView):
    """/collections/{collection}/records"""

    @operation(
        "createRecord",
        body=NewRecord,
        answers={201: Record},
        scope=ApiScope.RECORDS_WRITE,
        errors=(CollectionNotFound, RecordExists, ValueNotUnique),
        answer_headers=(LOCATION, ETAG, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, collection: str, body: NewRecord) -> Response:
        """Create a record"""
        view = create_record(
            caller=self.caller,
            collection=collection,
            record=RecordInput(id=body.id, fields=body.fields),
        )
        where = reverse("api:record", args=[collection, view.id])
        headers = {LOCATION: where, ETAG: entity_tag(view)}
        return Response(shaped(view, Record), status=201, headers=headers)

    @operation(
        "listRecords",
        query=RecordsQuery,
        answers={200: RecordPage},
        scope=ApiScope.RECORDS_READ,
        errors=(CollectionNotFound, DecryptionFailed),
    )
    def get(self, request: Request, collection: str, query: RecordsQuery) -> Response:
        """List records"""
        page = list_records(
            caller=self.caller, collection=collection, after=query.after, limit=query.limit
        )
        return Response(RecordPage(records=list_of(page.records, Record), next=page.next))


class OneRecord(TenantAppView):
    """/collections/{collection}/records/{record_id}"""

    @operation(
        "getRecord",
        answers={200: Record, 304: None},
        scope=ApiScope.RECORDS_READ,
        errors=(CollectionNotFound, RecordNotFound, DecryptionFailed, ConditionInvalid),
        request_headers=(IF_NONE_MATCH,),
        answer_headers=(ETAG,),
    )
    def get(self, request: Request, collection: str, record_id: str) -> Response:
        """Read a record"""
        view = read_record(caller=self.caller, collection=collection, record_id=record_id)
        headers = {ETAG: entity_tag(view)}
        if is_unchanged(request, view):
            return Response(status=304, headers=headers)
        return Response(shaped(view, Record), headers=headers)

    @operation(
        "putRecord",
        body=WholeRecord,
        answers={200: Record, 201: Record},
        scope=ApiScope.RECORDS_WRITE,
        errors=(CollectionNotFound, VersionConflict, ValueNotUnique, ConditionInvalid),
        request_headers=(IF_MATCH, IF_NONE_MATCH),
        answer_headers=(ETAG, CONSISTENCY_TOKEN),
    )
    def put(self, request: Request, collection: str, record_id: str, body: WholeRecord) -> Response:
        """Create a record, or put this one in its place

        201 when it is new, 200 when it has replaced one. Sent again, it leaves the same fields in another version.
        """
        view = put_record(
            caller=self.caller,
            collection=collection,
            record_id=record_id,
            fields=body.fields,
            expected=expectation_of(request, may_create=True),
        )
        status = 201 if view.version == 1 else 200
        return Response(shaped(view, Record), status=status, headers={ETAG: entity_tag(view)})

    @operation(
        "updateRecord",
        body=Changes,
        answers={200: RecordVersion},
        scope=ApiScope.RECORDS_WRITE,
        errors=(
            CollectionNotFound,
            RecordNotFound,
            VersionConflict,
            ValueNotUnique,
            DecryptionFailed,
            ConditionInvalid,
        ),
        request_headers=(IF_MATCH,),
        answer_headers=(ETAG, CONSISTENCY_TOKEN),
    )
    def patch(self, request: Request, collection: str, record_id: str, body: Changes) -> Response:
        """Change fields of a record

        Nothing is answered but the new version. Of the sealed fields, only those are opened that share a classification
        with one that changes: this Region must be allowed to decrypt those, and no others.
        """
        view = update_record(
            caller=self.caller,
            collection=collection,
            record_id=record_id,
            fields=body.fields,
            expected=expectation_of(request),
        )
        return Response(shaped(view, RecordVersion), headers={ETAG: entity_tag(view)})

    @operation(
        "deleteRecord",
        answers={204: None},
        scope=ApiScope.RECORDS_WRITE,
        errors=(CollectionNotFound, RecordNotFound, VersionConflict, ConditionInvalid),
        request_headers=(IF_MATCH,),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def delete(self, request: Request, collection: str, record_id: str) -> Response:
        """Delete a record"""
        delete_record(
            caller=self.caller,
            collection=collection,
            record_id=record_id,
            expected=expectation_of(request),
        )
        return Response(status=204)
