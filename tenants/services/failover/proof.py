"""Proves the new writer: a row of each tenant, sealed under its key here, stored, and read back in every Region.

Each tenant has one such row, which the next proof replaces. Its value is random and belongs to nobody.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from django.conf import settings
from django.db.models.functions import Now

from crypto.errors import CryptoError
from tenants.errors import WriterMoved, WriterMoveRefused, WriterMoveUnreachable
from tenants.models import WriterCanary
from tenants.rds.global_cluster import GlobalCluster
from tenants.scope import Mode, tenant_scope
from tenants.services.canary import CanaryKey
from tenants.services.failover import readers
from tenants.services.failover.fleet import KeyHere
from tenants.services.failover.journal import Severity
from tenants.services.failover.keys import Canary, seal_here
from tenants.services.failover.moves import Move

Written = Mapping[UUID, bytes]

# How long a Region may take to show what was written: longer than any healthy replication takes.
PATIENCE: Final = 30.0
_PAUSE: Final = 0.1


def prove_here(move: Move) -> Written:
    """Write the canaries on the new writer and read them back; what was written, by tenant. What fails is found, and
    stops nothing."""
    keys = _sealing(move)
    written = {key.tenant_id: message for key in keys if (message := _write(move, key))}
    unwritten = [key.slug for key in keys if key.tenant_id not in written]
    unread = [
        key.slug
        for key in keys
        if key.tenant_id in written and not _opens_here(key, written[key.tenant_id])
    ]
    _tell(move, "canary_not_written", "The new writer has not stored the canary.", unwritten)
    _tell(move, "canary_not_read", "The canary in the new writer does not open here.", unread)
    move.proof = {"written": len(written), "read_here": len(written) - len(unread)}
    return written


def prove_elsewhere(move: Move, rds: GlobalCluster, written: Written) -> None:
    """Read them in the databases of the other Regions. A Region that was lost before proves nothing."""
    slugs = {key.tenant_id: key.slug for key in move.fleet.sample}
    for region, before in move.readings.items():
        if region == move.wanted.target or before is None:
            continue
        missing = _missing_in(move, rds, region, written)
        text = f"The reader of {region} does not show the canary."
        _tell(move, "canary_not_replicated", text, [slugs[tenant_id] for tenant_id in missing])
        move.proof[f"read_in_{region}"] = len(written) - len(missing)


def rehearse(move: Move) -> None:
    """The part that changes nothing: seal here and open again."""
    keys = _sealing(move)
    failed = [key.slug for key in keys if not _seals_here(key)]
    _tell(move, "canary_not_sealed", "KMS here does not seal the tenant's canary.", failed)
    move.proof = {"sealed": len(keys) - len(failed)}


def _sealing(move: Move) -> list[KeyHere]:
    return [key for key in move.fleet.sample if key.rule.may_encrypt]


def _tell(move: Move, code: str, text: str, slugs: Sequence[str]) -> None:
    if slugs:
        move.journal.find(Severity.WARNING, code, text, slugs)


def _write(move: Move, key: KeyHere) -> bytes | None:
    """The message that was stored for the tenant."""
    try:
        canary = seal_here(key)
        with tenant_scope(key.tenant_id, "write"):
            WriterCanary.objects.update_or_create(
                tenant_id=key.tenant_id, defaults=_columns(move, canary)
            )
    except (CryptoError, WriterMoved):
        return None
    return base64.b64decode(canary["message"])


def _columns(move: Move, canary: Canary) -> dict[str, Any]:
    return {
        "move": move.id,
        "region": settings.GATEWAY_REGION,
        "classification": canary["class"],
        "message": base64.b64decode(canary["message"]),
        "digest": canary["digest"],
        "written_at": Now(),
    }


def _opens_here(key: KeyHere, message: bytes) -> bool:
    """What the writer has, and what this Region's own reader comes to have, is what was sealed."""
    modes: tuple[Mode, ...] = ("latest", "read")
    try:
        for mode in modes:
            with tenant_scope(key.tenant_id, mode):
                row = WriterCanary.objects.get(tenant_id=key.tenant_id)
            if bytes(row.message) != message:
                return False
        _open(key, {"class": row.classification, "message": message, "digest": row.digest})
    except (CryptoError, WriterMoved, WriterCanary.DoesNotExist):
        return False
    return True


def _seals_here(key: KeyHere) -> bool:
    try:
        canary = seal_here(key)
        _open(key, canary | {"message": base64.b64decode(canary["message"])})
    except CryptoError:
        return False
    return True


def _open(key: KeyHere, canary: Canary) -> None:
    """Where the rule lets it open, it must open to what was sealed; else KMS's refusal is what was to be expected."""
    message = base64.b64encode(canary["message"]).decode("ascii")
    CanaryKey(key.context_id, key.arn).may_open(canary | {"message": message})


def _missing_in(move: Move, rds: GlobalCluster, region: str, written: Written) -> list[UUID]:
    """The tenants whose canary that Region's reader does not come to show."""
    deadline = time.monotonic() + PATIENCE
    missing = list(written)
    while missing and time.monotonic() < deadline:
        shown = _shown(move, rds, region, missing)
        missing = [tenant_id for tenant_id in missing if shown.get(tenant_id) != written[tenant_id]]
        if missing:
            time.sleep(_PAUSE)
    return missing


def _shown(
    move: Move, rds: GlobalCluster, region: str, tenants: Sequence[UUID]
) -> dict[UUID, bytes]:
    member = move.cluster.find(region) if move.cluster else None
    if member is None:
        return {}
    try:
        return readers.read_canaries(rds.reader_of(member), tenants)
    except (psycopg.Error, WriterMoveRefused, WriterMoveUnreachable):
        return {}
