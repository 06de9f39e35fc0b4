"""The bounded per-process cache of plaintext data keys: LRU, TTL, single flight, emptied by tenant."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Counters:
    """How the cache fares. A miss is one load; threads that waited for that load count as hits."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    tenant: str
    value: Any
    stale_at: float


class Cache:
    """Lines belong to a tenant and an epoch. The first sight of a greater epoch empties the tenant's lines."""

    def __init__(self, size: int, seconds: float, monotonic: Callable[[], float]) -> None:
        """At most `size` lines, each for at most `seconds` by the `monotonic` clock."""
        self._size = size
        self._seconds = seconds
        self._monotonic = monotonic
        self._lines: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._flights: dict[Hashable, Future[Any]] = {}
        self._epochs: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self.counters = Counters()

    def __len__(self) -> int:
        """How many lines there are, stale ones included."""
        return len(self._lines)

    def __repr__(self) -> str:
        """Counts, never contents."""
        return f"<Cache {len(self)} of {self._size} lines, {self.counters}>"

    def get(self, tenant: str, epoch: int, line: Hashable, load: Callable[[], T]) -> T:
        """The line's value; the first thread that misses loads it, the others wait for that load.

        A load that fails raises in its own thread and in those that waited for it, and leaves nothing behind.
        """
        with self._lock:
            self._see(tenant, epoch)
            entry = self._lines.get(line)
            if entry is not None and entry.stale_at > self._monotonic():
                self._lines.move_to_end(line)
                self.counters.hits += 1
                return entry.value  # type: ignore[no-any-return]
            flight = self._flights.get(line)
            leads = flight is None
            if flight is None:
                flight = self._flights[line] = Future()
                self.counters.misses += 1
            else:
                self.counters.hits += 1
        if leads:
            self._load(tenant, epoch, line, load, flight)
        return flight.result()  # type: ignore[no-any-return]

    def drop(self, line: Hashable, value: object) -> None:
        """Remove the line if it still holds that value."""
        with self._lock:
            entry = self._lines.get(line)
            if entry is not None and entry.value is value:
                del self._lines[line]

    def forget(self, tenant: str) -> None:
        """Remove the tenant's lines. Loads in flight end for those who wait, and are not kept."""
        with self._lock:
            self._forget(tenant)

    def _load(
        self, tenant: str, epoch: int, line: Hashable, load: Callable[[], T], flight: Future[Any]
    ) -> None:
        try:
            value = load()
        except BaseException as error:
            with self._lock:
                self._land(line, flight)
            flight.set_exception(error)
            return
        with self._lock:
            # A flight that `forget` has taken off the list, or of an old epoch, must not come back as a line.
            if self._land(line, flight) and self._epochs.get(tenant) == epoch:
                self._keep(line, _Entry(tenant, value, self._monotonic() + self._seconds))
        flight.set_result(value)

    def _land(self, line: Hashable, flight: Future[Any]) -> bool:
        if self._flights.get(line) is not flight:
            return False
        del self._flights[line]
        return True

    def _keep(self, line: Hashable, entry: _Entry) -> None:
        self._lines[line] = entry
        self._lines.move_to_end(line)
        while len(self._lines) > self._size:
            self._lines.popitem(last=False)
            self.counters.evictions += 1

    def _see(self, tenant: str, epoch: int) -> None:
        """Remember the greatest epoch seen of each tenant, for as many tenants as there may be lines."""
        known = self._epochs.get(tenant)
        if known is not None and epoch > known:
            self._forget(tenant)
        self._epochs[tenant] = epoch if known is None else max(known, epoch)
        self._epochs.move_to_end(tenant)
        if len(self._epochs) > self._size:
            gone, _ = self._epochs.popitem(last=False)
            self._forget(gone)

    def _forget(self, tenant: str) -> None:
        # One pass over at most `size` lines, and only on a revocation or a rule change.
        for line in [line for line, entry in self._lines.items() if entry.tenant == tenant]:
            del self._lines[line]
        self._flights = {
            line: flight
            for line, flight in self._flights.items()
            if not (isinstance(line, tuple) and line[0] == tenant)
        }
