"""Records: create, read, list, search, change and delete them, one or many at a time.

Each function takes the caller, whose credential names the tenant, and opens its own scopes. KMS is asked between
scopes, never within one.
"""

from __future__ import annotations

from .creation import create_record, create_records
from .deletion import delete_record
from .limits import MAX_BATCH
from .reading import list_records, read_record, read_records
from .search import search_records
from .update import update_record
from .views import RecordFault, RecordInput, RecordPage, RecordView

__all__ = [
    "MAX_BATCH",
    "RecordFault",
    "RecordInput",
    "RecordPage",
    "RecordView",
    "create_record",
    "create_records",
    "delete_record",
    "list_records",
    "read_record",
    "read_records",
    "search_records",
    "update_record",
]
