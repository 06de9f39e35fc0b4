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
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from crypto.arn import KeyArn
from crypto.blind_index import IndexKey
from crypto.cache import Counters
from crypto.conf import CryptoSettings
from crypto.context import EncryptionContext, Purpose, encode_pairs
from crypto.errors import DecryptionFailed, InvalidKeyArn, KeyNotFound, KeyUnavailable
from crypto.keyring import GeneratedDataKey, Keyring, PlaintextDataKey, TenantKeyRef
from crypto.kms.clients import KmsClients
from crypto.kms.regions import RegionOrder
from crypto.materials import DataKeyStore, Materials
from crypto.message import ID_LENGTH, EncryptedDataKey, Header, open_body, read_header, seal_message

__all__ = ["Envelope", "SealedMessage", "TenantKeyRef"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SealedMessage:
    """An Encryption SDK message, and which stored data key sealed it."""

    message: bytes
    data_key_id: UUID


class Envelope:
    """One per process; its methods may be called from any thread.

    `key` says whose key and in which Regions, `context` what the message is for. Both come from the credential and
    the schema, never from the message.
    """

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
        self._materials = Materials(
            settings=settings,
            source=_AnyRegion(settings, clients, monotonic),
            store=store,
            clock=clock,
            monotonic=monotonic,
        )

    def seal(
        self, plaintext: bytes, *, key: TenantKeyRef, context: EncryptionContext
    ) -> SealedMessage:
        """Encrypt at most 16 MiB. Raises `PlaintextTooLarge` and the errors of KMS and of the store."""
        _same_tenant(key, context)
        sealing = self._materials.for_sealing(key, context)
        message = seal_message(
            plaintext,
            data_key=sealing.plaintext.secret,
            encrypted_data_key=EncryptedDataKey(
                sealing.stored.key_arn.encode(), sealing.stored.encrypted_data_key
            ),
            context=encode_pairs(context.as_dict()),
            message_id=self._random(ID_LENGTH),
        )
        return SealedMessage(message, sealing.stored.id)

    def open(self, message: bytes, *, key: TenantKeyRef, context: EncryptionContext) -> bytes:
        """Decrypt and authenticate. Raises `DecryptionFailed`, or what KMS answers for the key.

        The header is compared with what the caller expects before KMS is asked, and authenticated after.
        """
        _same_tenant(key, context)
        header = read_header(message)
        if header.context != encode_pairs(context.as_dict()) or not _wrapped_by(key.key, header):
            raise DecryptionFailed
        data_key = self._materials.for_opening(key, context, header.data_key.ciphertext)
        return open_body(message, header, data_key.secret)

    def reseal(
        self, message: bytes, *, key: TenantKeyRef, context: EncryptionContext
    ) -> SealedMessage:
        """Open, and seal the same plaintext under the active data key of this Region."""
        return self.seal(self.open(message, key=key, context=context), key=key, context=context)

    def index_key(self, *, key: TenantKeyRef, classification: str) -> IndexKey:
        """The tenant's key for search tokens of that classification; the same in every Region."""
        context = EncryptionContext(key.tenant, classification, Purpose.INDEX)
        return IndexKey.derive(self._materials.for_sealing(key, context).plaintext.secret)

    def forget(self, tenant: str) -> None:
        """Drop the tenant's plaintext data keys from this process."""
        self._materials.forget(tenant)

    @property
    def counters(self) -> Counters:
        """Hits, misses and evictions of the data key cache."""
        return self._materials.cache.counters


class _AnyRegion:
    """Asks the Regions of a tenant in order until one of them answers."""

    def __init__(
        self, settings: CryptoSettings, clients: KmsClients, monotonic: Callable[[], float]
    ) -> None:
        self._own = settings.region
        self._keyrings = {region: Keyring(clients, region) for region in settings.regions}
        self._order = RegionOrder(settings.region, settings.region_cool_down_seconds, monotonic)

    def generate(self, key: TenantKeyRef, context: EncryptionContext) -> GeneratedDataKey:
        return self._ask(key, lambda keyring: keyring.generate(key.key, context.as_dict()))

    def unwrap(
        self, key: TenantKeyRef, context: EncryptionContext, encrypted_data_key: bytes
    ) -> PlaintextDataKey:
        return self._ask(
            key, lambda keyring: keyring.unwrap(key.key, context.as_dict(), encrypted_data_key)
        )

    def _ask(self, key: TenantKeyRef, call: Callable[[Keyring], T]) -> T:
        if self._own not in key.regions:
            # Other Regions stand in for this one's outage, never for a Region that the tenant has left out.
            raise KeyNotFound(f"The tenant has no key in {self._own}.")
        unavailable: KeyUnavailable | None = None
        for region in self._order.of(
            [region for region in key.regions if region in self._keyrings]
        ):
            try:
                answer = call(self._keyrings[region])
            except KeyUnavailable as error:
                self._order.failed(region)
                unavailable = error
            else:
                self._order.answered(region)
                return answer
        raise unavailable or KeyUnavailable("No Region has a usable key.")


def _same_tenant(key: TenantKeyRef, context: EncryptionContext) -> None:
    """A key of one tenant with the context of another is a mistake of the caller, found before any call."""
    if key.tenant != context.tenant:
        raise ValueError("The key and the encryption context name different tenants.")


def _wrapped_by(key: KeyArn, header: Header) -> bool:
    try:
        return KeyArn.parse(header.data_key.key_arn.decode("ascii")).is_related_to(key)
    except (UnicodeDecodeError, InvalidKeyArn):
        return False
