"""DatabaseDataKeyStore: data keys in the database, where all workers of a Region share them.

Each method opens a scope of its own, so it must be called outside of any: `Envelope.seal` is.

Old data keys stay in the table, also when nothing is sealed under them any more: they are few (one a day, Region and
classification), no use to whoever has no key in KMS, and say for years which key material has wrapped what. They go
with a previous key of the tenant, when that is forgotten.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from crypto.arn import KeyArn
from crypto.context import Purpose
from crypto.errors import KeyReplaced
from crypto.materials import DataKeySlot, StoredDataKey
from tenants.models import DataKey, PreviousKey, TenantKey
from tenants.scope import Mode, tenant_scope
from tenants.states import DataKeyState


class DatabaseDataKeyStore:
    """Implements `crypto.materials.DataKeyStore`. Stateless, so one serves all threads."""

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        """The slot's data key: from this Region's reader, and where it has none, from the writer.

        The reader may lag; without the second look each process would make a key that the first has just stored.
        """
        return self._find(slot, "read") or self._find(slot, "latest")

    def add(self, key: StoredDataKey) -> StoredDataKey:
        """Store it. Of two shared keys that arrive together the unique index takes one, which both get.

        What a key wrapped that the tenant had before serves the process alone that made it, which knows the tenant from
        before the move. Raises `KeyReplaced` where the tenant does not have that key at all any more, and for an
        index key under it: there is one, and it goes over to the new key.
        """
        row = _row(key)
        with tenant_scope(row.tenant_id, "write"):
            if not _is_current(row):
                key = replace(key, shared=False)
                row.state = DataKeyState.PRIVATE
            if not key.shared:
                row.save(force_insert=True)
                return key
            _outlived(key).update(state=DataKeyState.RETIRED)
            DataKey.objects.bulk_create([row], ignore_conflicts=True)
            return _stored(_active(key.slot).get(), key.slot)

    @staticmethod
    def _find(slot: DataKeySlot, mode: Mode) -> StoredDataKey | None:
        with tenant_scope(UUID(slot.tenant), mode):
            row = _active(slot).filter(expires_at__gt=timezone.now()).first()
        return None if row is None else _stored(row, slot)


class LatestDataKeyStore(DatabaseDataKeyStore):
    """The same, past this Region's reader: for work that must not begin with a data key which was just retired."""

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        """The slot's data key, as it is committed."""
        return self._find(slot, "latest")


def outdated(tenant_id: UUID, retired_until: datetime | None = None) -> QuerySet[DataKey]:
    """The data keys that are not wrapped by the tenant's current key and its current material, inside a scope.

    With `retired_until` those too which are retired and were made until then. Where the current material is not known,
    the key alone counts.
    """
    key = TenantKey.objects.get(tenant_id=tenant_id)
    old = ~Q(key_arn__endswith=f":key/{key.key_id}")
    if key.key_material_id:
        old |= ~Q(key_material_id=key.key_material_id)
    if retired_until is not None:
        old |= Q(state=DataKeyState.RETIRED, created_at__lte=retired_until)
    return DataKey.objects.filter(old, tenant_id=tenant_id)


def _active(slot: DataKeySlot) -> QuerySet[DataKey]:
    return DataKey.objects.filter(
        tenant_id=UUID(slot.tenant),
        region=slot.region,
        classification=slot.classification,
        purpose=slot.purpose.value,
        state=DataKeyState.ACTIVE,
    )


def _is_current(row: DataKey) -> bool:
    """Whether the tenant's current key wrapped it. The lock makes this true until it is stored: a move waits for it."""
    key_id = KeyArn.parse(row.key_arn).key_id
    current = TenantKey.objects.filter(tenant_id=row.tenant_id).select_for_update(no_key=True)
    if current.values_list("key_id", flat=True).first() in ("", key_id):  # "": not made yet
        return True
    previous = PreviousKey.objects.filter(tenant_id=row.tenant_id, arn__endswith=f":key/{key_id}")
    if row.purpose == Purpose.INDEX or not previous.exists():
        raise KeyReplaced
    return False


def _outlived(key: StoredDataKey) -> QuerySet[DataKey]:
    """The slot's active key where it is too old for the maker of `key`, or was wrapped by another tenant key; never an
    index key, which goes over to another key and is not replaced."""
    if key.slot.purpose is Purpose.INDEX:
        return DataKey.objects.none()
    same_key = Q(key_arn__endswith=f":key/{KeyArn.parse(key.key_arn).key_id}")
    return _active(key.slot).filter(Q(expires_at__lte=key.created_at) | ~same_key)


def _row(key: StoredDataKey) -> DataKey:
    return DataKey(
        id=key.id,
        tenant_id=UUID(key.slot.tenant),
        classification=key.slot.classification,
        purpose=key.slot.purpose.value,
        region=key.slot.region,
        encrypted_data_key=key.encrypted_data_key,
        key_arn=key.key_arn,
        key_material_id=key.key_material_id,
        state=DataKeyState.ACTIVE if key.shared else DataKeyState.PRIVATE,
        created_at=key.created_at,
        expires_at=key.expires_at,
    )


def _stored(row: DataKey, slot: DataKeySlot) -> StoredDataKey:
    return StoredDataKey(
        id=row.id,
        slot=slot,
        encrypted_data_key=bytes(row.encrypted_data_key),
        key_arn=row.key_arn,
        key_material_id=row.key_material_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        shared=row.state == DataKeyState.ACTIVE,
    )
