"""The door: seal, open, reseal. Everything that encrypts or decrypts a tenant's data goes through here.

    envelope = Envelope(settings=settings, clients=KmsClients(settings), store=store)
    sealed = envelope.seal(b"...", key=key, context=EncryptionContext("t-1", "pii", Purpose.RECORD))
    assert envelope.open(sealed.message, key=key, context=...) == b"..."

Regions: the own one first, then the tenant's others, one that failed lately last. Only unavailability goes on to the
next Region. A refusal, a disabled key or a wrong tag is the answer, wherever it came from.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from crypto.blind_index import INDEX_VERSION, IndexKey
from crypto.conf import CryptoSettings
from crypto.context import EncryptionContext, Pairs, Purpose
from crypto.errors import DecryptionFailed, KeyNotFound
from crypto.keyring import GeneratedDataKey, Keyring, PlaintextDataKey, TenantKeyRef, opener_of
from crypto.kms.clients import KmsClients
from crypto.kms.regions import RegionOrder
from crypto.materials import DataKeyStore, Materials
from crypto.message import ID_LENGTH, Header, open_body, read_header, seal_message

__all__ = ["Envelope", "Sealed", "TenantKeyRef"]
T = TypeVar("T")


class Sealed(NamedTuple):
    """An Encryption SDK message, and which stored data key sealed it."""

    message: bytes
    data_key_id: UUID


class Envelope:
    """One per process, for all threads. `key` and `context` come from credential and schema, never from a message."""

    def __init__(
        self,
        *,
        settings: CryptoSettings,
        clients: KmsClients,
        store: DataKeyStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`random` gives that many random bytes: a message id must never repeat."""
        self._random = random
        self._source = _AnyRegion(settings, clients, RegionOrder(settings, monotonic))
        self._materials = Materials(
            settings=settings, source=self._source, store=store, clock=clock, monotonic=monotonic
        )
        self.counters = self._materials.cache.counters

    def seal(self, plaintext: bytes, *, key: TenantKeyRef, context: EncryptionContext) -> Sealed:
        """Encrypt at most 16 MiB. Raises `PlaintextTooLarge` and the errors of KMS and of the store."""
        _same_tenant(key, context)
        sealing = self._materials.for_sealing(key, context)
        message = seal_message(
            plaintext,
            data_key=sealing.plaintext.secret,
            names=sealing.names,
            message_id=self._random(ID_LENGTH),
        )
        return Sealed(message, sealing.stored.id)

    def open(self, message: bytes, *, key: TenantKeyRef, context: EncryptionContext) -> bytes:
        """Decrypt and authenticate any Encryption SDK message with key commitment, whoever wrote it.

        Raises `DecryptionFailed`, or what KMS answers for the key. The header is compared with what the caller expects
        before KMS is asked, and authenticated after.
        """
        _same_tenant(key, context)
        header = read_header(message)
        if not header.is_ours:
            return self._open_foreign(message, header, key, context)
        data_key = self._materials.for_opening(key, context, header.names)
        return open_body(message, header, data_key.secret)

    def reseal(self, message: bytes, *, key: TenantKeyRef, context: EncryptionContext) -> Sealed:
        """Open, and seal the same plaintext under the active data key of this Region."""
        return self.seal(self.open(message, key=key, context=context), key=key, context=context)

    def forget(self, tenant: str, epoch: int = 0) -> None:
        """Drop this process's plaintext data keys of a tenant: KMS decides anew on the next use. `tenant` is the tenant
        id of the encryption context; what was asked for under an older key epoch than `epoch` is not kept either."""
        self._materials.cache.forget(tenant, epoch)

    def index_key(
        self, *, key: TenantKeyRef, classification: str, version: int = INDEX_VERSION
    ) -> IndexKey:
        """The tenant's key for search tokens of that classification and version; the same in every Region."""
        context = EncryptionContext(key.tenant, classification, Purpose.INDEX)
        sealing = self._materials.for_sealing(key, context)
        return IndexKey.derive(sealing.plaintext.secret, version)

    def _open_foreign(
        self, message: bytes, header: Header, key: TenantKeyRef, context: EncryptionContext
    ) -> bytes:
        """Open what another client wrote. Its data key passes by the cache: it would serve this message only."""
        from crypto import foreign  # noqa: PLC0415 - says itself why

        pairs = foreign.pairs_of(header, context)
        for encrypted in header.data_keys:
            with suppress(DecryptionFailed):
                opener = opener_of(encrypted, key)
                data_key = self._source.unwrap(opener, pairs, encrypted.ciphertext)
                break
        else:
            raise DecryptionFailed
        return foreign.open_foreign(message, header, data_key.secret, pairs)


class _AnyRegion:
    """The tenant's keys in whichever Region answers."""

    def __init__(self, settings: CryptoSettings, clients: KmsClients, order: RegionOrder) -> None:
        self._own = settings.region
        self._order = order
        self._keyrings = {region: Keyring(clients, region) for region in settings.regions}

    def generate(self, key: TenantKeyRef, pairs: Pairs) -> GeneratedDataKey:
        return self._ask(key, lambda keyring: keyring.generate(key.key, pairs))

    def unwrap(self, key: TenantKeyRef, pairs: Pairs, wrapped: bytes) -> PlaintextDataKey:
        return self._ask(key, lambda keyring: keyring.unwrap(key.key, pairs, wrapped))

    def _ask(self, key: TenantKeyRef, call: Callable[[Keyring], T]) -> T:
        if self._own not in key.regions:
            # Other Regions stand in for this one's outage, never for a Region that the tenant has left out.
            raise KeyNotFound(f"The tenant has no key in {self._own}.")
        regions = [region for region in key.regions if region in self._keyrings]
        return self._order.ask(regions, lambda region: call(self._keyrings[region]))


def _same_tenant(key: TenantKeyRef, context: EncryptionContext) -> None:
    """A key of one tenant with the context of another is a mistake of the caller, found before any call."""
    if key.tenant != context.tenant:
        raise ValueError("The key and the encryption context name different tenants.")
