"""Data keys: made rarely, shared by a Region's workers, cached for minutes (a cryptographic materials manager).

To seal, a process takes the active data key of its slot from the store and unwraps it, or generates one and puts it
there; whoever loses that race uses the winner's. To open, it unwraps the data key that the message brings. Both go
through one bounded cache, where concurrent misses of one line make one KMS call.

Two rules keep the cache from weakening a key policy. A line belongs to a tenant and a key epoch, and is found by key,
encryption context and, to open, the encrypted data key itself, so no line serves another tenant. And only what KMS has
decrypted for this process opens messages: a Region that may encrypt and not decrypt cannot read back even its own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from operator import length_hint
from typing import Protocol
from uuid import UUID, uuid4

from crypto.arn import KeyArn
from crypto.cache import Cache
from crypto.conf import CryptoSettings
from crypto.context import EncryptionContext, Pairs, Purpose
from crypto.errors import (
    CredentialsRefused,
    DecryptionFailed,
    KeyAccessDenied,
    KeyReplaced,
    KeyUnavailable,
)
from crypto.keyring import GeneratedDataKey, PlaintextDataKey, TenantKeyRef, opener_of
from crypto.message import EncryptedDataKey, decode_names, encode_names

# Tokens must stay equal for as long as records are searched, so an index key does not age.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_TRIES = 8


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
    """Makes and unwraps data keys in whichever Region answers; `pairs` are those of the encryption context."""

    def generate(self, key: TenantKeyRef, pairs: Pairs) -> GeneratedDataKey:
        """A new data key."""

    def unwrap(self, key: TenantKeyRef, pairs: Pairs, wrapped: bytes) -> PlaintextDataKey:
        """A data key from its encrypted form."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A data key to seal with, in both its forms."""

    stored: StoredDataKey
    plaintext: PlaintextDataKey
    names: bytes  # what its messages say of it
    left: Iterator[int]  # one item for each message that this process may still seal with it


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
        self.cache = Cache(settings.cache_size, settings.cache_seconds, monotonic)
        self._left: OrderedDict[UUID, Iterator[int]] = OrderedDict()  # outlives the cache's lines
        self._counting = threading.Lock()

    def for_sealing(self, key: TenantKeyRef, context: EncryptionContext) -> SealingKey:
        """A data key for one more message of this slot. Raises the errors of KMS and of the store."""
        line = ("seal", _identity(key), context)
        for _ in range(_TRIES):
            found = self.cache.get(key.tenant, key.epoch, line, lambda: self._take(key, context))
            # The next item of a range is taken by one thread only, so there is no lock around the count.
            if found.stored.expires_at > self._clock() and next(found.left, None) is not None:
                return found
            self.cache.drop(key.tenant, line, found)
        raise KeyUnavailable("Data keys are used up faster than they are made.")

    def for_opening(
        self, key: TenantKeyRef, context: EncryptionContext, names: bytes
    ) -> PlaintextDataKey:
        """The data key of a message that says `names` of it, unwrapped by KMS now or a short while ago.

        KMS is asked only where they name this context and one of the tenant's keys; else `DecryptionFailed`.
        """
        line = ("open", _identity(key), context, names)
        return self.cache.get(
            key.tenant, key.epoch, line, lambda: self._unwrap(key, context, names)
        )

    def _unwrap(
        self, key: TenantKeyRef, context: EncryptionContext, names: bytes
    ) -> PlaintextDataKey:
        found, (encrypted,) = decode_names(names)
        if found != context.encode():
            raise DecryptionFailed
        opener = opener_of(encrypted, key)
        return self._source.unwrap(opener, context.as_dict(), encrypted.ciphertext)

    def _left_of(self, stored: StoredDataKey) -> Iterator[int]:
        """What is left of this process's share, or without end where no messages are sealed."""
        if stored.slot.purpose is Purpose.INDEX:
            return repeat(1)
        with self._counting:
            if stored.id not in self._left:
                self._left[stored.id] = iter(range(self._settings.data_key_max_messages))
            self._left.move_to_end(stored.id)
            if len(self._left) > self._settings.cache_size:
                self._left.popitem(last=False)
            return self._left[stored.id]

    def _take(self, key: TenantKeyRef, context: EncryptionContext) -> SealingKey:
        region = "" if context.purpose is Purpose.INDEX else self._settings.region
        slot = DataKeySlot(key.tenant, context.classification, context.purpose, region)
        stored = self._store.find_active(slot)
        lasts = (
            context.purpose is Purpose.INDEX
        )  # one for good, whichever of the tenant's keys wraps it
        if stored is None or not (lasts or _fits(stored, key, self._clock())):
            return self._generate(key, context, slot, shared=True)
        left = self._left.get(stored.id)
        if left is not None and not length_hint(left):
            # The shared key is still young, but this process has sealed its share of messages with it.
            return self._generate(key, context, slot, shared=False)
        return self._shared(key, context, stored)

    def _shared(
        self, key: TenantKeyRef, context: EncryptionContext, stored: StoredDataKey
    ) -> SealingKey:
        """Unwrap the slot's key; where this Region may only encrypt, make one for this process.

        While a tenant moves to another key, a process may still know it by the one before: it must neither seal with
        what a key wrapped that is not current to it, nor make a second index key, which would end search.
        """
        previous = key.previous if context.purpose is Purpose.INDEX else ()
        if not any(_wrapped(stored, held) for held in (key.key, *previous)):
            raise KeyReplaced
        try:
            plaintext = self.for_opening(key, context, _names(context, stored))
        except KeyAccessDenied as denied:
            if context.purpose is Purpose.INDEX or isinstance(denied, CredentialsRefused):
                raise  # a second index key would make tokens that no other process finds
            return self._generate(key, context, stored.slot, shared=False)
        return SealingKey(stored, plaintext, _names(context, stored), self._left_of(stored))

    def _generate(
        self, key: TenantKeyRef, context: EncryptionContext, slot: DataKeySlot, *, shared: bool
    ) -> SealingKey:
        made = self._source.generate(key, context.as_dict())
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
        # Written down before its first message, so that a sealed part can always name its data key.
        stored = self._store.add(ours)
        if stored.id != ours.id:
            return self._shared(key, context, stored)
        return SealingKey(stored, made.plaintext, _names(context, stored), self._left_of(stored))


def _names(context: EncryptionContext, stored: StoredDataKey) -> bytes:
    encrypted = EncryptedDataKey(stored.key_arn.encode(), stored.encrypted_data_key)
    return encode_names(context.encode(), encrypted)


def _fits(stored: StoredDataKey, key: TenantKeyRef, now: datetime) -> bool:
    return stored.expires_at > now and _wrapped(stored, key.key)


def _wrapped(stored: StoredDataKey, key: KeyArn) -> bool:
    return KeyArn.parse(stored.key_arn).is_related_to(key)


def _identity(key: TenantKeyRef) -> Hashable:
    # Related keys share their id: the line of one serves the others, as KMS itself would.
    return (key.key.partition, key.key.account, key.key.key_id)
