"""Export: all records of a tenant in plaintext, as one stream of lines, for the tenant to keep.

    {"collection": "people", "id": "ann", "version": 3, "created_at": ..., "updated_at": ..., "fields": {...}}

Pages are read one by one, so the export of a busy tenant is no moment's picture. What it has seen is written down with
it: a mark of the records before and after. Only an export during which nothing was written is a whole one, which an
offboarding takes for the last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Final
from uuid import UUID

import orjson

from tenants.actor import Actor
from tenants.models import Collection, Offboarding
from tenants.scope import tenant_scope
from tenants.selectors.collections import StoredCollection, load_collection
from tenants.selectors.exports import EXPORTED, RecordsMark, get_records_mark
from tenants.selectors.in_process import get_in_process_caller
from tenants.selectors.records import fetch_page
from tenants.services.audit import record_event
from tenants.services.records.reading import open_record
from tenants.services.sealing import Sealing
from tenants.states import OffboardingState

_PAGE: Final = 200
Show = Callable[[int, int], None]
"""Is told how many records of how many are written."""


@dataclass(frozen=True, slots=True)
class Export:
    """What was written: the SHA-256 of the stream in hex, and counts. `is_whole`: nothing was written meanwhile."""

    digest: str
    records: int
    bytes: int
    by_collection: dict[str, int]
    mark: RecordsMark
    is_whole: bool


def export_records(*, tenant_id: UUID, out: IO[bytes], actor: Actor, show: Show) -> Export:
    """Write every record to `out`, and what was written into the audit log and an open request to end the tenant.

    The Region of this process must be allowed to decrypt all of it: else `RegionNotAllowed`. Raises `NotFound`,
    `TenantNotActive`, `DecryptionFailed` where a record does not open, and the errors of KMS; what is in `out` then is
    no export.
    """
    caller = get_in_process_caller(tenant_id)
    caller.need_active()
    before = get_records_mark(tenant_id)
    digest, size, counts = hashlib.sha256(), 0, {}
    for target in _collections(tenant_id):
        sealing, counts[target.name] = Sealing(caller, target), 0
        for line in _lines(tenant_id, target, sealing):
            out.write(line)
            digest.update(line)
            size += len(line)
            counts[target.name] += 1
            show(sum(counts.values()), before.records)
    after = get_records_mark(tenant_id)
    export = Export(
        digest=digest.hexdigest(),
        records=sum(counts.values()),
        bytes=size,
        by_collection=counts,
        mark=after,
        is_whole=before == after,
    )
    _write_down(tenant_id, export, actor)
    return export


def _collections(tenant_id: UUID) -> list[StoredCollection]:
    with tenant_scope(tenant_id, "latest"):
        rows = Collection.objects.filter(tenant_id=tenant_id).order_by("name")
        names = list(rows.values_list("name", flat=True))
        return [load_collection(tenant_id, name) for name in names]


def _lines(tenant_id: UUID, target: StoredCollection, sealing: Sealing) -> Iterator[bytes]:
    after = ""
    while True:
        with tenant_scope(tenant_id, "latest"):
            fetched = fetch_page(tenant_id, target.id, after, _PAGE)
        for record in fetched.records:
            view = open_record(sealing, target, record)
            line = {
                "collection": target.name,
                "id": view.id,
                "version": view.version,
                "created_at": view.created_at,
                "updated_at": view.updated_at,
                "fields": dict(view.fields),
            }
            yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
        if not fetched.records:
            return
        after = fetched.records[-1].record_id


def _write_down(tenant_id: UUID, export: Export, actor: Actor) -> None:
    with tenant_scope(tenant_id, "write"):
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action=EXPORTED,
            detail={
                "sha256": export.digest,
                "records": export.records,
                "bytes": export.bytes,
                "whole": export.is_whole,
                "mark": export.mark.as_list(),
            },
        )
        if export.is_whole:
            Offboarding.objects.filter(
                tenant_id=tenant_id, state=OffboardingState.REQUESTED
            ).update(export_digest=export.digest)
