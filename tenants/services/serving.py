"""The one envelope of this process: its clients, its cache of data keys and its store."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from crypto.envelope import Envelope
from crypto.kms.clients import KmsClients
from crypto.materials import DataKeySlot, StoredDataKey
from tenants.data_keys import DatabaseDataKeyStore
from tenants.scope import give_back_connections


@lru_cache(maxsize=1)
def get_envelope() -> Envelope:
    """Made when first needed, after a worker has forked: sockets and threads must not be shared with the parent."""
    return Envelope(
        settings=settings.CRYPTO,
        clients=KmsClients(settings.CRYPTO),
        store=_Store(),
    )


class _Store(DatabaseDataKeyStore):
    """What follows a look-up is mostly a call of KMS, and no connection is held through one."""

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        try:
            return super().find_active(slot)
        finally:
            give_back_connections()
