"""The one envelope of this process: its clients, its cache of data keys and its store."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from crypto.envelope import Envelope
from crypto.kms.clients import KmsClients
from crypto.materials import DataKeySlot, StoredDataKey
from tenants.data_keys import DatabaseDataKeyStore
from tenants.scope import give_back_connections
from tenants.selectors import Caller
from tenants.states import TenantState


@lru_cache(maxsize=1)
def get_envelope() -> Envelope:
    """Made when first needed, after a worker has forked: sockets and threads must not be shared with the parent."""
    return Envelope(
        settings=settings.CRYPTO,
        clients=KmsClients(settings.CRYPTO),
        store=_Store(),
    )


def cache_counters() -> dict[str, int]:
    """Hits, misses and evictions of this process's cache of data keys since it started."""
    counters = get_envelope().counters
    return {"hit": counters.hits, "miss": counters.misses, "eviction": counters.evictions}


def forget_unless_active(caller: Caller) -> None:
    """Drop the plaintext data keys of a tenant that is not served, as soon as this process sees a request of it: its
    requests are refused before they ask for a key, which is when a greater key epoch would empty the cache."""
    if caller.key is not None and caller.state != TenantState.ACTIVE:
        get_envelope().forget(caller.key.tenant, caller.key.epoch)


class _Store(DatabaseDataKeyStore):
    """What follows a look-up is mostly a call of KMS, and no connection is held through one."""

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        try:
            return super().find_active(slot)
        finally:
            give_back_connections()
