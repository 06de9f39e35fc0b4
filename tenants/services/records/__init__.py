"""Records: create, read, list, search, put, change and delete them, one or many at a time.

Each function takes the caller, whose credential names the tenant, and opens its own scopes. KMS is asked between
scopes, never within one.
"""

from __future__ import annotations

from tenants.schema.conditions import SearchCondition

from .creation import create_record, create_records
from .deletion import delete_record
from .expectation import ANYTHING, Expectation
from .limits import MAX_BATCH
from .reading import list_records, read_record, read_records
from .search import search_records
from .update import update_record
from .upsert import put_record, put_records
from .views import RecordFault, RecordInput, RecordPage, RecordPut, RecordVersion, RecordView

__all__ = [
    "ANYTHING",
    "MAX_BATCH",
    "Expectation",
    "RecordFault",
    "RecordInput",
    "RecordPage",
    "RecordPut",
    "RecordVersion",
    "RecordView",
    "SearchCondition",
    "create_record",
    "create_records",
    "delete_record",
    "list_records",
    "put_record",
    "put_records",
    "read_record",
    "read_records",
    "search_records",
    "update_record",
]
