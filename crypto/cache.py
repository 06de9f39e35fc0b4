"""The bounded per-process cache of plaintext data keys: LRU, TTL, single flight, emptied by tenant."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from itertools import takewhile
from math import inf
from typing import Any, TypeVar

T = TypeVar("T")
_NOTHING: Any = object()
_SHARE = 16  # one tenant may fill a sixteenth of the cache, though never less than as many lines


@dataclass(slots=True)
class Counters:
    """How the cache fares. A miss is one load; threads that waited for that load count as hits."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0


@dataclass(slots=True)
class _Shelf:
    """What is held of one tenant: the greatest epoch seen, its lines by last use, and the loads under way."""

    epoch: int
    lines: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)
    flights: dict[Hashable, Future[Any]] = field(default_factory=dict)


class Cache:
    """Each tenant's lines stand on a shelf of its own, which a greater epoch replaces.

    Where space is short the tenant that was idle longest loses a line, so one busy tenant cannot push out the others.
    A line is deleted at the first call after its time, whosever call that is.
    """

    def __init__(self, size: int, seconds: float, monotonic: Callable[[], float]) -> None:
        """At most `size` lines, each for at most `seconds` by the `monotonic` clock."""
        self._size = size
        self._seconds = seconds
        self._monotonic = monotonic
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()  # by the tenant's last use
        self._stale_at: dict[tuple[str, Hashable], float] = {}  # oldest load first
        self._next_stale = inf  # no line is stale before
        self._lock = threading.Lock()
        self.counters = Counters()

    def __len__(self) -> int:
        return len(self._stale_at)

    def __repr__(self) -> str:
        return f"<Cache {len(self)} of {self._size} lines, {self.counters}>"

    def get(self, tenant: str, epoch: int, line: Hashable, load: Callable[[], T]) -> T:
        """The line's value; the first thread that misses loads it, the others wait for that load.

        A load that fails raises in all of them and leaves nothing behind. For an epoch older than one that was seen,
        which a lagging reader of the database may show, the value is loaded and not kept.
        """
        with self._lock:
            if self._monotonic() >= self._next_stale:
                self._expire()
            shelf = self._shelf(tenant, epoch)
            held = shelf.lines.get(line, _NOTHING)
            if held is not _NOTHING:
                self.counters.hits += 1
                shelf.lines.move_to_end(line)
                return held  # type: ignore[no-any-return]
            flight = shelf.flights.get(line)
            if flight is None:
                self.counters.misses += 1
                loading = shelf.flights[line] = Future[T]()
            else:
                self.counters.hits += 1
        if flight is None:
            return self._load(tenant, shelf, line, load, loading)
        try:
            return flight.result()  # type: ignore[no-any-return]
        except CancelledError:
            return self.get(tenant, epoch, line, load)

    def drop(self, tenant: str, line: Hashable, value: object) -> None:
        """Remove the line if it still holds that value."""
        with self._lock:
            shelf = self._shelves.get(tenant)
            if shelf is not None and shelf.lines.get(line) is value:
                self._remove(tenant, shelf, line)

    def forget(self, tenant: str, epoch: int = 0) -> None:
        """Empty the tenant's lines; what is being loaded at this moment is not kept either. The greatest epoch seen is
        remembered, `epoch` included."""
        with self._lock:
            shelf = self._shelves.get(tenant)
            self._clear(tenant)
            if greatest := max(epoch, shelf.epoch if shelf else 0):
                self._shelf(tenant, greatest)

    def _load(
        self, tenant: str, shelf: _Shelf, line: Hashable, load: Callable[[], T], flight: Future[T]
    ) -> T:
        try:
            value = load()
        except BaseException as error:
            with self._lock:
                del shelf.flights[line]
            # A signal to this thread, as KeyboardInterrupt, is not for those who wait: they load again.
            flight.set_exception(error) if isinstance(error, Exception) else flight.cancel()
            raise
        with self._lock:
            del shelf.flights[line]
            # A shelf that was replaced meanwhile is from before a revocation: nothing is kept on it.
            if self._shelves.get(tenant) is shelf:
                self._keep(tenant, shelf, line, value)
        flight.set_result(value)
        return value

    def _keep(self, tenant: str, shelf: _Shelf, line: Hashable, value: object) -> None:
        shelf.lines[line] = value
        stale_at = self._stale_at[tenant, line] = self._monotonic() + self._seconds
        self._next_stale = min(self._next_stale, stale_at)
        if len(shelf.lines) > max(_SHARE, self._size // _SHARE):
            self._evict(tenant, shelf)
        while len(self) > self._size:
            idle, longest = next(iter(self._shelves.items()))
            if longest.lines:
                self._evict(idle, longest)
            else:
                del self._shelves[idle]

    def _evict(self, tenant: str, shelf: _Shelf) -> None:
        self._remove(tenant, shelf, next(iter(shelf.lines)))
        self.counters.evictions += 1

    def _remove(self, tenant: str, shelf: _Shelf, line: Hashable) -> None:
        del shelf.lines[line]
        del self._stale_at[tenant, line]

    def _expire(self) -> None:
        now = self._monotonic()
        # Collected in one pass: the first item of a dictionary is slow to find when many before it were deleted.
        for tenant, line in [
            *takewhile(lambda place: self._stale_at[place] <= now, self._stale_at)
        ]:
            self._remove(tenant, self._shelves[tenant], line)
        self._next_stale = next(iter(self._stale_at.values()), inf)

    def _shelf(self, tenant: str, epoch: int) -> _Shelf:
        """The tenant's shelf; for a greater epoch a new one, for an older epoch one that nobody else sees."""
        shelf = self._shelves.get(tenant)
        if shelf is None or epoch > shelf.epoch:
            self._clear(tenant)
            shelf = self._shelves[tenant] = _Shelf(epoch)
            if len(self._shelves) > self._size:
                self._clear(next(iter(self._shelves)))
        elif epoch < shelf.epoch:
            return _Shelf(epoch)
        self._shelves.move_to_end(tenant)
        return shelf

    def _clear(self, tenant: str) -> None:
        shelf = self._shelves.pop(tenant, None)
        for line in shelf.lines if shelf else ():
            del self._stale_at[tenant, line]
