"""The keys of encrypted fields, for the tenants that the code names.

Outside of a transaction what is missing is fetched. Inside of one nothing leaves the process: what is not held raises
`KeyNotPrepared`. `prepare` fetches ahead.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings

from crypto.blind_index import IndexKey
from crypto.context import EncryptionContext, Purpose
from crypto.envelope import Envelope
from crypto.errors import DecryptionFailed, KeyAccessDenied, KeyReplaced
from crypto.keyring import TenantKeyRef
from tenants.errors import RegionNotAllowed
from tenants.fields.ambient import tenant_id
from tenants.fields.errors import KeyNotPrepared
from tenants.fields.generations import Generations, cache_seconds, new_envelope
from tenants.fields.transactions import in_transaction, refuse_in_transaction
from tenants.selectors import Caller
from tenants.selectors.in_process import get_in_process_caller
from tenants.services.regions import check_region
from tenants.states import TenantState

T = TypeVar("T")
# A revocation or a changed rule counts after this many seconds at most, the reader's lag aside. Inside of a
# transaction, which asks nobody, it counts when the data keys have left the cache.
FRESH_SECONDS: Final = 5.0
_MOST_CALLERS: Final = 10_000


class Plaintext:
    """The bytes that a message will hold; they show in no repr, and so on no error page."""

    __slots__ = ("encoded",)

    def __init__(self, encoded: bytes) -> None:
        self.encoded = encoded

    def __repr__(self) -> str:
        """Say what it is, and nothing of what it holds."""
        return "<Plaintext>"


class FieldKeys:
    """Seals and opens values for tenants. One serves all threads; raises what the registry and KMS answer."""

    def __init__(
        self,
        envelopes: Generations,
        find_caller: Callable[[UUID], Caller],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`find_caller` asks the registry about a tenant."""
        self._envelopes = envelopes
        self._find_caller = find_caller
        self._callers = _Callers(self._found, monotonic)

    def seal(self, plaintext: Plaintext, tenant: UUID, classification: str) -> bytes:
        """One Encryption SDK message, purpose `value`."""

        def sealed(envelope: Envelope, caller: Caller) -> bytes:
            check_region(caller, [classification], "encrypt")
            context = _context(caller, classification)
            try:
                return envelope.seal(
                    plaintext.encoded,
                    key=_usable(caller, classification, sealing=True),
                    context=context,
                ).message
            except Exception as error:
                raise error.with_traceback(None)  # noqa: B904 - frames below would show the plaintext on error pages

        return self._ask(tenant, sealed, partial(self.prepare, tenant, [classification]))

    def open(self, message: bytes, tenant: UUID, classification: str) -> bytes:
        """What was sealed for this tenant and classification; anything else is `DecryptionFailed`."""

        def opened(envelope: Envelope, caller: Caller) -> bytes:
            check_region(caller, [classification], "decrypt")
            context = _context(caller, classification)
            return envelope.open(message, key=_usable(caller, classification), context=context)

        return self._ask(tenant, opened, partial(self.open, message, tenant, classification))

    def index_key(self, tenant: UUID, classification: str) -> IndexKey:
        """The key of the tenant's search tokens, in every Region the same."""

        def found(envelope: Envelope, caller: Caller) -> IndexKey:
            check_region(caller, [classification], "decrypt")
            key = _usable(caller, classification)
            return envelope.index_key(key=key, classification=classification)

        return self._ask(tenant, found, partial(self.index_key, tenant, classification))

    def prepare(
        self, tenant: UUID, classifications: Collection[str], *, search: bool = False
    ) -> None:
        """Hold what it takes to seal, to open what is sealed now, and with `search` to make search tokens."""
        for classification in classifications:
            message = self.seal(Plaintext(b""), tenant, classification)
            with suppress(RegionNotAllowed, KeyAccessDenied):  # some Regions may seal and not open
                self.open(message, tenant, classification)
            if search:
                self.index_key(tenant, classification)

    def forget(self) -> None:
        """Drop every data key, and what is remembered of tenants."""
        self._envelopes.forget()
        self._callers.forget()

    def _found(self, tenant: UUID) -> Caller:
        """What the registry says. A tenant that is not served leaves no plaintext data key behind."""
        caller = self._find_caller(tenant)
        if caller.key is not None and caller.state != TenantState.ACTIVE:
            for envelope in self._envelopes.live():
                envelope.forget(caller.key.tenant, caller.key.epoch)
        return caller

    def _ask(
        self, tenant: UUID, call: Callable[[Envelope, Caller], T], again: Callable[[], object]
    ) -> T:
        """Outside of a transaction the newest envelope answers; inside of one whichever holds the key."""
        while not in_transaction():
            # Not ours: another thread, in a transaction, was first to look for the key, and this one waited for it.
            with suppress(KeyNotPrepared):
                return self._ask_anew(tenant, call)
        for envelope in self._envelopes.live():
            with suppress(KeyNotPrepared):
                return call(envelope, self._callers.get(tenant))
        raise KeyNotPrepared(missing=[again])

    def _ask_anew(self, tenant: UUID, call: Callable[[Envelope, Caller], T]) -> T:
        """Where a message is under a key that is not known here, the tenant may have moved to it just now."""
        caller = self._callers.get(tenant)
        try:
            return call(self._envelopes.live()[0], caller)
        except (DecryptionFailed, KeyReplaced):
            now = self._callers.renew(tenant)
            if _epoch(now) == _epoch(caller):
                raise
        return call(self._envelopes.live()[0], now)


class _Callers:
    """What the registry said of each tenant a short while ago."""

    def __init__(self, find: Callable[[UUID], Caller], monotonic: Callable[[], float]) -> None:
        self._find = find
        self._monotonic = monotonic
        self._seen: OrderedDict[UUID, tuple[Caller, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, tenant: UUID) -> Caller:
        """The tenant's caller. Raises `NotFound`, and inside of a transaction `KeyNotPrepared`."""
        now = self._monotonic()
        with self._lock:
            caller, read_at = self._seen.get(tenant, (None, 0.0))
        if caller is not None:
            age = now - read_at
            if age < FRESH_SECONDS or (age < cache_seconds() and in_transaction()):
                return caller
        return self.renew(tenant)

    def renew(self, tenant: UUID) -> Caller:
        """The same, asked now."""
        now = self._monotonic()
        refuse_in_transaction()
        found = self._find(tenant)
        with self._lock:
            self._seen[tenant] = (found, now)
            self._seen.move_to_end(tenant)
            if len(self._seen) > _MOST_CALLERS:
                self._seen.popitem(last=False)
        return found

    def forget(self) -> None:
        """Ask about every tenant anew."""
        with self._lock:
            self._seen.clear()


def _epoch(caller: Caller) -> int:
    return caller.key.epoch if caller.key else 0


def _usable(caller: Caller, classification: str, *, sealing: bool = False) -> TenantKeyRef:
    caller.need_active()
    return caller.key_for(settings.GATEWAY_REGION, classification, sealing=sealing)


def _context(caller: Caller, classification: str) -> EncryptionContext:
    return EncryptionContext(caller.tenant_id.hex, classification, Purpose.VALUE)


_own = FieldKeys(Generations(new_envelope, cache_seconds), get_in_process_caller)
_replaced: list[FieldKeys] = []


def current_keys() -> FieldKeys:
    """The keys of this process; inside of `replaced_by` those."""
    return _replaced[-1] if _replaced else _own


@contextmanager
def replaced_by(keys: FieldKeys) -> Iterator[None]:
    """Let all threads use these keys until the block ends."""
    _replaced.append(keys)
    try:
        yield
    finally:
        _replaced.remove(keys)


def prepare(
    tenant: UUID | str, classifications: Collection[str] = ("pii",), *, search: bool = False
) -> None:
    """Fetch, before a transaction begins, the keys that sealing in it, and reading that back, will need.

    They are then held for half of GATEWAY_DATA_KEY_CACHE_SECONDS at least. `search` is for fields with
    `queries=Equality()`. Rows that are there already are for `prefetch_decrypt`. Raises what the registry and KMS
    answer, and inside of a transaction `KeyNotPrepared` where something is not held.
    """
    current_keys().prepare(tenant_id(tenant), classifications, search=search)
