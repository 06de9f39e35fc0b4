"""DatabaseDataKeyStore: data keys in the database, where all workers of a Region share them.

Each method opens a scope of its own, so it must be called outside of any: `Envelope.seal` is.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from crypto.arn import KeyArn
from crypto.materials import DataKeySlot, StoredDataKey
from tenants.models import DataKey
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
        """Store it. Of two shared keys that arrive together the unique index takes one, which both get."""
        row = _row(key)
        with tenant_scope(row.tenant_id, "write"):
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


def _active(slot: DataKeySlot) -> QuerySet[DataKey]:
    return DataKey.objects.filter(
        tenant_id=UUID(slot.tenant),
        region=slot.region,
        classification=slot.classification,
        purpose=slot.purpose.value,
        state=DataKeyState.ACTIVE,
    )


def _outlived(key: StoredDataKey) -> QuerySet[DataKey]:
    """The slot's active key where it is too old for the maker of `key`, or was wrapped by another tenant key."""
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
