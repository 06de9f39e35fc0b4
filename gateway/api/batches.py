"""Batches: many records in one request, each with a result of its own, in the order in which they were given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.faults import fault_of
from gateway.api.headers import CONSISTENCY_TOKEN
from gateway.api.operation import TenantAppView, operation
from gateway.api.records import EXAMPLE, NewRecord, Record, RecordId
from gateway.api.schema import ProblemDocument
from gateway.api.shapes import Answer, Body, shaped
from tenants.errors import CollectionNotFound
from tenants.selectors import Caller
from tenants.services import records
from tenants.services.records import (
    ANYTHING,
    Expectation,
    RecordFault,
    RecordInput,
    RecordView,
    create_records,
    read_records,
)
from tenants.states import ApiScope

MAX_RECORDS = 500
MAX_VERSION = 2**31 - 1


class NewRecords(Body):
    """Records to create: 1 to 500."""

    records: Annotated[list[NewRecord], Meta(min_length=1, max_length=MAX_RECORDS)]


class RecordPut(Body):
    """A whole record to put under its id. With `version`, only where it is in that version; 0: where there is none."""

    id: RecordId
    fields: Annotated[dict[str, Any], Meta(examples=[EXAMPLE])]
    version: Annotated[int, Meta(ge=0, le=MAX_VERSION)] | None = None


class RecordPuts(Body):
    """Records to put: 1 to 500, each id once."""

    records: Annotated[list[RecordPut], Meta(min_length=1, max_length=MAX_RECORDS)]


class RecordIds(Body):
    """Ids of records to read: 1 to 500."""

    ids: Annotated[list[RecordId], Meta(min_length=1, max_length=MAX_RECORDS)]


class RecordResult(Answer):
    """What became of one record: `status` as if it had been asked for alone, and the record or the problem."""

    status: int
    record: Record | msgspec.UnsetType = msgspec.UNSET
    problem: ProblemDocument | msgspec.UnsetType = msgspec.UNSET


class RecordResults(Answer):
    """One result for each record, in order."""

    results: list[RecordResult]


class BatchCreate(TenantAppView):
    """/collections/{collection}/batch-create"""

    @operation(
        "createRecords",
        body=NewRecords,
        answers={200: RecordResults},
        scope=ApiScope.RECORDS_WRITE,
        errors=(CollectionNotFound,),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, collection: str, body: NewRecords) -> Response:
        """Create many records

        Each stands for itself: one that fails does not keep the others from being created.
        """
        given = [RecordInput(id=record.id, fields=record.fields) for record in body.records]
        found = create_records(caller=self.caller, collection=collection, records=given)
        return Response(_results(found, 201, self.caller))


class BatchPut(TenantAppView):
    """/collections/{collection}/batch-put"""

    @operation(
        "putRecords",
        body=RecordPuts,
        answers={200: RecordResults},
        scope=ApiScope.RECORDS_WRITE,
        errors=(CollectionNotFound,),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, collection: str, body: RecordPuts) -> Response:
        """Put many records

        Each stands for itself, and has the status 201 when it is new and 200 when it has replaced one.
        """
        given = [records.RecordPut(one.id, one.fields, _expected(one)) for one in body.records]
        found = records.put_records(caller=self.caller, collection=collection, records=given)
        return Response(
            RecordResults(
                results=[
                    _result(item, 201 if _is_new(item) else 200, self.caller) for item in found
                ]
            )
        )


class BatchRead(TenantAppView):
    """/collections/{collection}/batch-read"""

    @operation(
        "readRecords",
        body=RecordIds,
        answers={200: RecordResults},
        scope=ApiScope.RECORDS_READ,
        errors=(CollectionNotFound,),
        request_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, collection: str, body: RecordIds) -> Response:
        """Read many records

        An answer takes about 8 MiB; a record beyond that is an `answer_full`: ask for it in another request.
        """
        found = read_records(caller=self.caller, collection=collection, record_ids=body.ids)
        return Response(_results(found, 200, self.caller))


def _results(
    found: Iterable[RecordView | RecordFault], status: int, caller: Caller
) -> RecordResults:
    return RecordResults(results=[_result(item, status, caller) for item in found])


def _expected(put: RecordPut) -> Expectation:
    if put.version is None:
        return ANYTHING
    return Expectation(version=put.version) if put.version else Expectation(exists=False)


def _is_new(item: RecordView | RecordFault) -> bool:
    return isinstance(item, RecordView) and item.version == 1


def _result(item: RecordView | RecordFault, status: int, caller: Caller) -> RecordResult:
    if isinstance(item, RecordFault):
        return RecordResult(**fault_of(item.error, caller))
    return RecordResult(status=status, record=shaped(item, Record))
