"""The AWS clients of the control plane, once a process. Only workers have credentials of the admin role."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from crypto.kms.clients import KmsClients
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.kms.key_directory import KeyDirectory


@lru_cache(maxsize=1)
def get_clients() -> KmsClients:
    """Made when first needed, so after a worker has forked: sockets must not be shared with the parent.

    `get_clients.cache_clear()` after the settings have changed, which only tests do.
    """
    return KmsClients(settings.CRYPTO)


def get_key_admin() -> KmsKeyAdmin:
    """Administration of keys, in any Region."""
    return KmsKeyAdmin(get_clients())


def get_key_directory() -> KeyDirectory:
    """Where key ARNs are published, in any Region."""
    return KeyDirectory(get_clients())
