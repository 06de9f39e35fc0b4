"""The one envelope of this process: its clients, its cache of data keys and its store."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from crypto.envelope import Envelope
from crypto.kms.clients import KmsClients
from tenants.data_keys import DatabaseDataKeyStore


@lru_cache(maxsize=1)
def get_envelope() -> Envelope:
    """Made when first needed, after a worker has forked: sockets and threads must not be shared with the parent."""
    return Envelope(
        settings=settings.CRYPTO,
        clients=KmsClients(settings.CRYPTO),
        store=DatabaseDataKeyStore(),
    )
