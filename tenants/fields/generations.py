"""The envelopes of encrypted fields, which never leave the process while this thread is in a transaction.

A key that is prepared must still be held when the transaction that follows needs it. So caches come in generations: one
is filled for half of the time that plaintext data keys may be cached, and then only looked into for the other half,
after which it is dropped whole. What was put into the newest generation is there for half of that time at least.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from crypto.envelope import Envelope
from crypto.kms.clients import KmsClients, Plane
from crypto.materials import DataKeySlot, StoredDataKey
from tenants.data_keys import DatabaseDataKeyStore
from tenants.fields.transactions import in_transaction, refuse_in_transaction


class Generations:
    """Makes an envelope every so often, and remembers the one before."""

    def __init__(
        self,
        make: Callable[[], Envelope],
        seconds: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds` says for how long plaintext data keys may be cached."""
        self._make = make
        self._seconds = seconds
        self._monotonic = monotonic
        self._made: list[tuple[Envelope, float]] = []
        self._lock = threading.Lock()

    def live(self) -> list[Envelope]:
        """The newest, to be filled, and the one before where it may still be looked into."""
        with self._lock:
            now = self._monotonic()
            self._made = [made for made in self._made if now - made[1] < self._seconds()]
            if not self._made or now - self._made[0][1] >= self._seconds() / 2:
                self._made = [(self._make(), now), *self._made[:1]]
            return [envelope for envelope, _ in self._made]

    def forget(self) -> None:
        """Drop all of them."""
        with self._lock:
            self._made = []


def new_envelope() -> Envelope:
    """An envelope with an empty cache, over this process's settings and the registry's data keys."""
    return Envelope(
        settings=settings.CRYPTO,
        clients=_Clients(settings.CRYPTO),
        store=_Store(),
        clock=clock,
    )


def cache_seconds() -> float:
    """For how long plaintext data keys may be cached."""
    return float(settings.CRYPTO.cache_seconds)


def clock() -> datetime:
    """Now; inside of a transaction five minutes ago, so that a data key may reach its age in the middle of one."""
    return datetime.now(UTC) - timedelta(minutes=5 if in_transaction() else 0)


class _Clients(KmsClients):
    def kms(self, region: str, plane: Plane) -> Any:
        refuse_in_transaction()
        return super().kms(region, plane)


class _Store(DatabaseDataKeyStore):
    def find_active(self, slot: DataKeySlot) -> StoredDataKey | None:
        refuse_in_transaction()
        return super().find_active(slot)

    def add(self, key: StoredDataKey) -> StoredDataKey:
        refuse_in_transaction()
        return super().add(key)
