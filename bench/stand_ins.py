"""KMS and the database in memory: neither is what is measured here, so neither takes part in the times."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

from botocore.client import BaseClient
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.arn import KeyArn
from crypto.conf import CryptoSettings
from crypto.context import EncryptionContext, Purpose
from crypto.envelope import Envelope
from crypto.keyring import TenantKeyRef
from crypto.materials import DataKeySlot, DataKeyStore, StoredDataKey

REGION = "us-east-2"
_BLOB = 184  # bytes: what AWS KMS gives for a data key of 32 bytes


class CountingKms(BaseClient):  # the SDK takes nothing that is no botocore client
    """GenerateDataKey and Decrypt, counted in `total`; each takes `seconds`, as a network would."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.total = 0
        self._seconds = seconds
        self._cipher = AESGCM(os.urandom(32))
        self._lock = threading.Lock()

    def kms(self, _region: str, _plane: object) -> CountingKms:
        """Stands where `crypto.kms.clients.KmsClients` does."""
        return self

    def generate_data_key(self, **request: Any) -> dict[str, Any]:
        """A data key of 32 bytes, bound to the encryption context."""
        self._count()
        secret, nonce = os.urandom(32), os.urandom(12)
        wrapped = nonce + self._cipher.encrypt(nonce, secret, _bound(request))
        blob = wrapped.ljust(_BLOB, b"\0")
        return {"KeyId": request["KeyId"], "Plaintext": secret, "CiphertextBlob": blob}

    def decrypt(self, **request: Any) -> dict[str, Any]:
        """The data key of a blob."""
        self._count()
        blob = request["CiphertextBlob"]
        secret = self._cipher.decrypt(blob[:12], blob[12:60], _bound(request))
        return {"KeyId": request["KeyId"], "Plaintext": secret}

    def _count(self) -> None:
        with self._lock:
            self.total += 1
        time.sleep(self._seconds)


class MemoryStore:
    """The shared data keys of a Region, as the database holds them."""

    def __init__(self) -> None:
        self._active: dict[DataKeySlot, StoredDataKey] = {}
        self._lock = threading.Lock()

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        """The slot's data key, or None."""
        return self._active.get(slot)

    def add(self, key: StoredDataKey) -> StoredDataKey:
        """The data key that came first."""
        with self._lock:
            return self._active.setdefault(key.slot, key)


class ForgetfulStore:
    """Holds nothing, so that the memory of the database is not taken for the memory of the process."""

    def find_active(self, _slot: DataKeySlot) -> StoredDataKey | None:
        """None."""
        return None

    def add(self, key: StoredDataKey) -> StoredDataKey:
        """The data key itself."""
        return key


def make_envelope(kms: CountingKms, store: DataKeyStore, *, cache_size: int = 10_000) -> Envelope:
    """An envelope as in a process of the product, in front of the stand-ins."""
    settings = CryptoSettings(region=REGION, regions=(REGION,), cache_size=cache_size)
    return Envelope(settings=settings, clients=kms, store=store)  # type: ignore[arg-type]  # only `kms` is called


def make_tenant(number: int) -> TenantKeyRef:
    """A tenant with a key of its own; ids and ARNs have the length of real ones."""
    key = KeyArn("aws", REGION, "111122223333", f"mrk-{number:032x}")
    return TenantKeyRef(f"{number:032x}", 1, key, (REGION,))


def make_context(tenant: TenantKeyRef) -> EncryptionContext:
    """The encryption context of that tenant's records."""
    return EncryptionContext(tenant.tenant, "pii", Purpose.RECORD)


def _bound(request: dict[str, Any]) -> bytes:
    return json.dumps([request["KeyId"], request["EncryptionContext"]], sort_keys=True).encode()
