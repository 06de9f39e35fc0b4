"""One record with a field of every kind, and what of a collection stands in the database."""

from __future__ import annotations

from typing import Any

from tenants.selectors import Caller
from tenants.services.records import RecordFault, RecordView
from tests.callers import as_superuser
from tests.stack import Stack

ANN: dict[str, Any] = {
    "name": "Ann",
    "city": "Paris",
    "score": 1.5,
    "email": "Ann@Example.org",
    "ssn": "078-05-1120",
    "notes": {"visits": [1, 2.5, None, True], "text": "ä\n"},
    "card": "4111 1111 1111 1111",
}


def errors(results: list[RecordView | RecordFault]) -> list[str]:
    """The code of each fault, and "" for a record that was stored."""
    return [result.error.code if isinstance(result, RecordFault) else "" for result in results]


def stored(stack: Stack, caller: Caller, collection: str) -> dict[str, int]:
    """How many rows of each kind the collection has."""
    [(records, parts, tokens)] = as_superuser(
        stack,
        "select count(distinct r.id), count(distinct p.record::text || p.classification),"
        " count(distinct b.record::text || b.field)"
        " from tenants_collection c join tenants_record r on r.collection_id = c.id"
        " left join tenants_sealedpart p on p.record = r.id"
        " left join tenants_blindindexentry b on b.record = r.id"
        " where c.tenant_id = %s and c.name = %s",
        caller.tenant_id,
        collection,
    )
    return {"records": records, "parts": parts, "tokens": tokens}
