"""The AWS clients of the control plane, once a process. Only workers have credentials of the admin role."""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from crypto.kms.clients import KmsClients, Plane
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.kms.key_directory import KeyDirectory
from tenants.kms.trail import Trail
from tenants.services.call_budget import before_call


@lru_cache(maxsize=1)
def get_clients() -> KmsClients:
    """Made when first needed, so after a worker has forked: sockets must not be shared with the parent.

    Each call of the admin plane, in whatever way it is made, takes its turn first (`call_budget`).

    `get_clients.cache_clear()` after the settings have changed, which only tests do.
    """
    return KmsClients(settings.CRYPTO, before_call)


def get_key_admin() -> KmsKeyAdmin:
    """Administration of keys, in any Region."""
    return KmsKeyAdmin(get_clients())


def get_key_reader() -> KmsKeyAdmin:
    """What keys are, read with the audit role: for a person at a terminal."""
    return KmsKeyAdmin(get_clients(), Plane.AUDIT)


def get_key_directory() -> KeyDirectory:
    """Where key ARNs are published, in any Region."""
    return KeyDirectory(get_clients())


def get_trail() -> Trail:
    """What CloudTrail has recorded of keys, in any Region."""
    return Trail(get_clients())
