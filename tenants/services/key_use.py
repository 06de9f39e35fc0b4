"""One request's work with its tenant's key: seals and opens under it, in this Region, for one caller.

Nothing here may run inside a scope: each call may reach KMS. A key that fails is not asked for again: a batch must not
wait once an item.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal, TypeVar

from django.conf import settings

from crypto.blind_index import IndexKey
from crypto.context import EncryptionContext, Purpose
from crypto.envelope import Sealed
from crypto.errors import CryptoError, DecryptionFailed
from crypto.keyring import TenantKeyRef
from tenants.errors import TenantNotActive
from tenants.scope import give_back_connections
from tenants.selectors import Caller
from tenants.services.regions import check_region
from tenants.services.serving import get_envelope

T = TypeVar("T")


class KeyUse:
    """The key of the caller's tenant, as its rules let this Region use it."""

    def __init__(self, caller: Caller) -> None:
        """The tenant comes from the caller's credential. Raises `TenantNotActive` before the tenant has a key."""
        if caller.key is None:
            raise TenantNotActive("The tenant's key is not made yet.")
        self.tenant = caller.key.tenant
        self._caller = caller
        self._envelope = get_envelope()
        self._keys: dict[tuple[str, bool], TenantKeyRef] = {}
        self._failures: dict[tuple[str, Purpose], CryptoError] = {}

    def check(
        self, classifications: Collection[str], action: Literal["encrypt", "decrypt"]
    ) -> None:
        """Raise `RegionNotAllowed` where a rule forbids it, and else let go of the database for what follows."""
        check_region(self._caller, classifications, action)
        give_back_connections()

    def seal(self, plaintext: bytes, classification: str, purpose: Purpose) -> Sealed:
        """One message. Raises `PlaintextTooLarge` and the errors of KMS."""
        context, key = self._context(classification, purpose), self._key(classification, True)
        return self._asking(
            classification,
            purpose,
            lambda: self._envelope.seal(plaintext, key=key, context=context),
        )

    def open(self, message: bytes, classification: str, purpose: Purpose) -> bytes:
        """What a message holds. Raises `DecryptionFailed` and the errors of KMS."""
        context, key = self._context(classification, purpose), self._key(classification, False)
        return self._asking(
            classification,
            purpose,
            lambda: self._envelope.open(message, key=key, context=context),
        )

    def index_key(self, classification: str) -> IndexKey:
        """The key of search tokens. Raises the errors of KMS."""
        key = self._key(classification, False)
        return self._asking(
            classification,
            Purpose.INDEX,
            lambda: self._envelope.index_key(key=key, classification=classification),
        )

    def _context(self, classification: str, purpose: Purpose) -> EncryptionContext:
        return EncryptionContext(self.tenant, classification, purpose)

    def _key(self, classification: str, sealing: bool) -> TenantKeyRef:
        place = (classification, sealing)
        if place not in self._keys:
            region: str = settings.GATEWAY_REGION
            self._keys[place] = self._caller.key_for(region, classification, sealing=sealing)
        return self._keys[place]

    def _asking(self, classification: str, purpose: Purpose, call: Callable[[], T]) -> T:
        place = (classification, purpose)
        if place in self._failures:
            raise self._failures[place]
        try:
            return call()
        except DecryptionFailed:
            raise  # of one message; the others may be sound
        except CryptoError as failure:
            self._failures[place] = failure
            raise
