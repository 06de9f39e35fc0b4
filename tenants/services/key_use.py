"""One request's work with its tenant's key: seals and opens under it, in this Region, for one caller.

Nothing here may run inside a scope: each call may reach KMS. A key that fails is not asked for again: a batch must not
wait once an item.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal, TypeVar

from django.conf import settings

from crypto.blind_index import IndexKey
from crypto.context import EncryptionContext, Purpose
from crypto.envelope import Sealed
from crypto.errors import CryptoError, DecryptionFailed, KeyReplaced
from crypto.keyring import TenantKeyRef
from tenants.errors import TenantNotActive
from tenants.scope import give_back_connections
from tenants.selectors import Caller
from tenants.selectors.in_process import get_in_process_caller
from tenants.selectors.lag import seconds_behind
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
        self._epoch = caller.key.epoch
        self._looked_again = False
        self._envelope = get_envelope()
        if seconds_behind() is not None:
            # A revocation may be stored that this Region's reader does not show yet: KMS decides on every request.
            self._envelope.forget(self.tenant)
        self._keys: dict[tuple[str, bool], TenantKeyRef] = {}
        self._contexts: dict[tuple[str, Purpose], EncryptionContext] = {}
        self._failures: dict[tuple[str, Purpose], CryptoError] = {}

    def check(
        self, classifications: Collection[str], action: Literal["encrypt", "decrypt"]
    ) -> None:
        """Raise `RegionNotAllowed` where a rule forbids it, and else let go of the database for what follows."""
        check_region(self._caller, classifications, action)
        give_back_connections()

    def seal(self, plaintext: bytes, classification: str, purpose: Purpose) -> Sealed:
        """One message. Raises `PlaintextTooLarge` and the errors of KMS."""
        context = self._context(classification, purpose)
        return self._asking(
            classification,
            purpose,
            lambda: self._envelope.seal(
                plaintext, key=self._key(classification, True), context=context
            ),
        )

    def open(self, message: bytes, classification: str, purpose: Purpose) -> bytes:
        """What a message holds. Raises `DecryptionFailed` and the errors of KMS."""
        context = self._context(classification, purpose)
        return self._asking(
            classification,
            purpose,
            lambda: self._envelope.open(
                message, key=self._key(classification, False), context=context
            ),
        )

    def index_key(self, classification: str) -> IndexKey:
        """The key of search tokens. Raises the errors of KMS."""
        return self._asking(
            classification,
            Purpose.INDEX,
            lambda: self._envelope.index_key(
                key=self._key(classification, False), classification=classification
            ),
        )

    def _context(self, classification: str, purpose: Purpose) -> EncryptionContext:
        place = (classification, purpose)
        if place not in self._contexts:
            self._contexts[place] = EncryptionContext(self.tenant, classification, purpose)
        return self._contexts[place]

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
            try:
                return call()
            except (DecryptionFailed, KeyReplaced):
                if not self._is_outdated():
                    raise
                return call()
        except DecryptionFailed:
            raise  # of one message; the others may be sound
        except CryptoError as failure:
            self._failures[place] = failure
            raise

    def _is_outdated(self) -> bool:
        """Whether the tenant has got another key since the caller was read, which is then the caller's.

        A request may meet what was sealed under a key that it does not know yet. The writer is asked once at most: who
        sends forged messages cannot make it answer for each.
        """
        if self._looked_again:
            return False
        self._looked_again = True
        now = get_in_process_caller(self._caller.tenant_id, "latest")
        now.need_active()
        if now.key is None or now.key.epoch == self._epoch:
            return False
        self._caller = replace(self._caller, key=now.key, rules=now.rules)
        self._keys.clear()
        return True
