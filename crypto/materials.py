"""Data keys: made rarely, shared by a Region's workers, cached for minutes (a cryptographic materials manager).

To seal, a process takes the active data key of its slot from the store and unwraps it, or generates one and puts it
there; whoever loses that race uses the winner's. To open, it unwraps the data key that the message brings. Both go
through one bounded cache, where concurrent misses of one line make one KMS call.

Two rules keep the cache from weakening a key policy. A line is keyed by tenant first, then key epoch, key, encryption
context and, to open, the encrypted data key itself, so no line serves another tenant. And only what KMS has decrypted
for this process opens messages: a Region that may encrypt and not decrypt cannot read back even its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

from crypto.arn import KeyArn
from crypto.cache import Cache
from crypto.conf import CryptoSettings
from crypto.context import EncryptionContext, Purpose
from crypto.errors import KeyAccessDenied
from crypto.keyring import GeneratedDataKey, PlaintextDataKey, TenantKeyRef

# Tokens must stay equal for as long as records are searched, so an index key does not age.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DataKeySlot:
    """What one active data key serves. `region` is empty for an index key, which all Regions share."""

    tenant: str
    classification: str
    purpose: Purpose
    region: str


@dataclass(frozen=True, slots=True)
class StoredDataKey:
    """A data key as it may be written down. `shared` says whether others of the slot may take it to seal."""

    id: UUID
    slot: DataKeySlot
    encrypted_data_key: bytes
    key_arn: str
    key_material_id: str
    created_at: datetime
    expires_at: datetime
    shared: bool


class DataKeyStore(Protocol):
    """Where a Region's workers share data keys; the database implements it."""

    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        """The shared data key that this slot seals with now, or None where there is none or it has expired."""

    def add(self, key: StoredDataKey) -> StoredDataKey:
        """Write it durably. Where it is shared and another was faster, the other one is returned."""


class DataKeySource(Protocol):
    """Makes and unwraps data keys in whichever Region answers."""

    def generate(self, key: TenantKeyRef, context: EncryptionContext) -> GeneratedDataKey:
        """A new data key."""

    def unwrap(
        self, key: TenantKeyRef, context: EncryptionContext, encrypted_data_key: bytes
    ) -> PlaintextDataKey:
        """A data key from its encrypted form."""


@dataclass(slots=True)
class SealingKey:
    """A data key to seal with, and how many messages this process has sealed with it."""

    stored: StoredDataKey
    plaintext: PlaintextDataKey
    messages: int = 0


class Materials:
    """Hands out data keys. One per process, shared by its threads."""

    def __init__(
        self,
        *,
        settings: CryptoSettings,
        source: DataKeySource,
        store: DataKeyStore,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`clock` gives aware UTC times for the age of data keys, `monotonic` seconds for the cache."""
        self._settings = settings
        self._source = source
        self._store = store
        self._clock = clock
        self._cache = Cache(settings.cache_size, settings.cache_seconds, monotonic)
        self._counting = threading.Lock()

    @property
    def cache(self) -> Cache:
        """The cache, for its counters."""
        return self._cache

    def for_sealing(self, key: TenantKeyRef, context: EncryptionContext) -> SealingKey:
        """The active data key of this slot. Raises the errors of KMS and of the store."""
        line = _line(key, context, b"")
        found = self._cache.get(key.tenant, key.epoch, line, lambda: self._take(key, context))
        if not self._use(found):
            used_up = found.messages > self._settings.data_key_max_messages
            self._cache.drop(line, found)
            found = self._cache.get(
                key.tenant, key.epoch, line, lambda: self._take(key, context, renew=used_up)
            )
            self._use(found)
        return found

    def for_opening(
        self, key: TenantKeyRef, context: EncryptionContext, encrypted_data_key: bytes
    ) -> PlaintextDataKey:
        """The data key of a message, unwrapped by KMS now or a short while ago."""
        return self._cache.get(
            key.tenant,
            key.epoch,
            _line(key, context, encrypted_data_key),
            lambda: self._source.unwrap(key, context, encrypted_data_key),
        )

    def forget(self, tenant: str) -> None:
        """Drop all that is cached of one tenant in this process."""
        self._cache.forget(tenant)

    def _use(self, key: SealingKey) -> bool:
        """Count one message, or say that the key is used up or too old."""
        with self._counting:
            key.messages += 1
            fresh = key.messages <= self._settings.data_key_max_messages
        return fresh and key.stored.expires_at > self._clock()

    def _take(
        self, key: TenantKeyRef, context: EncryptionContext, *, renew: bool = False
    ) -> SealingKey:
        region = "" if context.purpose is Purpose.INDEX else self._settings.region
        slot = DataKeySlot(key.tenant, context.classification, context.purpose, region)
        stored = self._store.find_active(slot)
        if stored is None or not self._fits(stored, key):
            return self._generate(key, context, slot, shared=True)
        if renew and context.purpose is not Purpose.INDEX:
            # The shared key is still young, but this process has sealed its share of messages with it.
            return self._generate(key, context, slot, shared=False)
        return self._shared(key, context, stored)

    def _fits(self, stored: StoredDataKey, key: TenantKeyRef) -> bool:
        return stored.expires_at > self._clock() and KeyArn.parse(stored.key_arn).is_related_to(
            key.key
        )

    def _shared(
        self, key: TenantKeyRef, context: EncryptionContext, stored: StoredDataKey
    ) -> SealingKey:
        """Unwrap the slot's key; where this Region may only encrypt, make one for this process alone."""
        try:
            plaintext = self.for_opening(key, context, stored.encrypted_data_key)
        except KeyAccessDenied:
            if context.purpose is Purpose.INDEX:
                raise  # a second index key would make tokens that no other process finds
            return self._generate(key, context, stored.slot, shared=False)
        return SealingKey(stored, plaintext)

    def _generate(
        self, key: TenantKeyRef, context: EncryptionContext, slot: DataKeySlot, *, shared: bool
    ) -> SealingKey:
        made = self._source.generate(key, context)
        now = self._clock()
        age = timedelta(seconds=self._settings.data_key_max_age_seconds)
        ours = StoredDataKey(
            id=uuid4(),
            slot=slot,
            encrypted_data_key=made.encrypted_data_key,
            key_arn=str(made.key_arn),
            key_material_id=made.key_material_id,
            created_at=now,
            expires_at=_NEVER if context.purpose is Purpose.INDEX else now + age,
            shared=shared,
        )
        # Written down before its first message: a message whose data key nobody stored would still open, since it
        # carries the encrypted data key, but its sealed part could name none.
        stored = self._store.add(ours)
        if stored.id != ours.id:
            return self._shared(key, context, stored)
        return SealingKey(stored, made.plaintext)


def _line(key: TenantKeyRef, context: EncryptionContext, encrypted_data_key: bytes) -> Hashable:
    # Related keys share their id: the line of one serves the others, as KMS itself would.
    identity = (key.key.partition, key.key.account, key.key.key_id)
    return (key.tenant, key.epoch, identity, context, encrypted_data_key)
