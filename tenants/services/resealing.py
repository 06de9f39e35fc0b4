"""One batch of re-encryption: read sealed parts, seal them anew, write them where nobody was quicker, read them back.

A part is written only after the new message has been opened and has given the same plaintext, and only where record,
classification, version and data key are still those that were read: whoever writes a record meanwhile wins. The
plaintext, with the place that the part is bound to, stays what it was. What stands in the table afterwards must be the
message that was opened, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connections

from crypto.context import EncryptionContext, Purpose
from crypto.envelope import Envelope
from crypto.errors import DecryptionFailed, InvalidEncryptionContext
from crypto.keyring import TenantKeyRef
from tenants.data_keys import LatestDataKeyStore
from tenants.scope import give_back_connections, scope_alias, tenant_scope
from tenants.selectors import Caller
from tenants.services.clients import get_clients
from tenants.services.work import NotVerified

# Records of a mebibyte each must not fill a worker's memory.
_MOST_BYTES: Final = 8 * 1024 * 1024
_FETCH = """
    select record, classification, version, data_key, message from (
        select p.*, sum(octet_length(message)) over (
            order by record, classification rows between unbounded preceding and 1 preceding) as bytes_before
        from tenants_sealedpart p
        where tenant_id = %s and data_key = %s and record > %s order by record, classification limit %s
    ) b where bytes_before is null or bytes_before < %s
"""
# The rows are locked in the order that all writers share, so that two that meet wait in a line and never in a circle.
_WRITE = """
    with still as (
        select p.record, p.classification, n.message, n.data_key
        from unnest(%s::uuid[], %s::text[], %s::integer[], %s::uuid[], %s::bytea[], %s::uuid[])
            as n (record, classification, version, old_data_key, message, data_key)
        join tenants_sealedpart p on p.tenant_id = %s
            and p.record = n.record and p.classification = n.classification
        where p.version = n.version and p.data_key = n.old_data_key
        order by p.record, p.classification for no key update of p
    )
    update tenants_sealedpart p set message = still.message, data_key = still.data_key, sealed_at = %s
    from still where p.tenant_id = %s and p.record = still.record and p.classification = still.classification
    returning p.record, p.classification
"""
_READ_BACK = """
    select p.record, p.classification, p.version, p.data_key, p.message
    from tenants_sealedpart p
    join unnest(%s::uuid[], %s::text[]) as n (record, classification) using (record, classification)
    where p.tenant_id = %s
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A sealed part as it is stored."""

    record: UUID
    classification: str
    version: int
    data_key: UUID
    message: bytes

    @property
    def place(self) -> tuple[UUID, str]:
        """Which row it is."""
        return self.record, self.classification


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: how many parts were read and moved, and the records of those that do not open.

    The others had changed meanwhile."""

    read: int
    moved: int
    unreadable: tuple[UUID, ...]
    last: UUID | None


class Resealing:
    """Seals parts of one tenant anew, in this process's Region, for the length of one claim.

    The envelope is its own: it begins without any data key in its cache, and takes the active ones from the writer.
    """

    def __init__(self, caller: Caller) -> None:
        """`caller` says which keys the rules let this Region use."""
        self._caller = caller
        self._keys: dict[str, tuple[EncryptionContext, TenantKeyRef, TenantKeyRef]] = {}
        self._envelope = Envelope(
            settings=settings.CRYPTO, clients=get_clients(), store=LatestDataKeyStore()
        )

    def batch(self, data_key: UUID, after: UUID, limit: int) -> Outcome:
        """Move the next parts under this data key, at most `limit`: those of records whose ids come after `after`.

        Raises the errors of KMS, and `NotVerified` where the new messages are not as they must be.
        """
        tenant_id = self._caller.tenant_id
        with tenant_scope(tenant_id, "latest"):
            rows = _run(_FETCH, [tenant_id, data_key, after, limit, _MOST_BYTES])
        parts = [_part(row) for row in rows]
        give_back_connections()
        anew, unreadable = self._sealed_anew(parts)
        with tenant_scope(tenant_id, "write"):
            moved = _write(tenant_id, parts, anew)
        with tenant_scope(tenant_id, "latest"):
            _check_written(tenant_id, [anew[place] for place in moved])
        last = parts[-1].record if parts else None
        return Outcome(len(parts), len(moved), tuple(unreadable), last)

    def _sealed_anew(
        self, parts: Sequence[Part]
    ) -> tuple[dict[tuple[UUID, str], Part], list[UUID]]:
        anew: dict[tuple[UUID, str], Part] = {}
        unreadable: list[UUID] = []
        for part in parts:
            try:
                anew[part.place] = self._seal(part)
            except (DecryptionFailed, InvalidEncryptionContext):
                unreadable.append(part.record)
        return anew, unreadable

    def _seal(self, part: Part) -> Part:
        """The part under the active data key. Raises `DecryptionFailed` where the old one does not open."""
        context, opens, seals = self._key(part.classification)
        plaintext = self._envelope.open(part.message, key=opens, context=context)
        sealed = self._envelope.seal(plaintext, key=seals, context=context)
        if self._envelope.open(sealed.message, key=seals, context=context) != plaintext:
            raise NotVerified("A new message does not hold what the old one holds.")
        return Part(*part.place, part.version, sealed.data_key_id, sealed.message)

    def _key(self, name: str) -> tuple[EncryptionContext, TenantKeyRef, TenantKeyRef]:
        """The context of a classification, and the key to open with and to seal with."""
        if name not in self._keys:
            region, caller = settings.GATEWAY_REGION, self._caller
            context = EncryptionContext(caller.tenant_id.hex, name, Purpose.RECORD)
            sealing = caller.key_for(region, name, sealing=True)
            self._keys[name] = context, caller.key_for(region, name), sealing
        return self._keys[name]


def _write(
    tenant_id: UUID, parts: Sequence[Part], anew: dict[tuple[UUID, str], Part]
) -> list[tuple[UUID, str]]:
    pairs = [(part, anew[part.place]) for part in parts if part.place in anew]
    if not pairs:
        return []
    columns = [
        [old.record for old, _ in pairs],
        [old.classification for old, _ in pairs],
        [old.version for old, _ in pairs],
        [old.data_key for old, _ in pairs],
        [new.message for _, new in pairs],
        [new.data_key for _, new in pairs],
    ]
    rows = _run(_WRITE, [*columns, tenant_id, datetime.now(UTC), tenant_id])
    return [(record, classification) for record, classification in rows]


def _check_written(tenant_id: UUID, written: Sequence[Part]) -> None:
    """Raise `NotVerified` where a part that nobody has touched since is not the one that was opened."""
    if not written:
        return
    places = [[part.record for part in written], [part.classification for part in written]]
    found = {part.place: part for part in map(_part, _run(_READ_BACK, [*places, tenant_id]))}
    for part in written:
        stored = found.get(part.place)
        untouched = stored and (stored.version, stored.data_key) == (part.version, part.data_key)
        if untouched and stored != part:
            raise NotVerified("A part does not read back as it was written.")


def _part(row: tuple[Any, ...]) -> Part:
    record, classification, version, data_key, message = row
    return Part(record, classification, version, data_key, bytes(message))


def _run(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connections[scope_alias()].cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
