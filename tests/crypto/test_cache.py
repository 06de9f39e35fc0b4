"""The cache: one load for a herd, nothing kept too long, nothing kept of a tenant that changed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from crypto.cache import Cache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_32_threads_on_a_cold_line_load_once() -> None:
    cache, loads, start = Cache(10, 300, Clock()), [], threading.Barrier(32)
    waiting = threading.Event()

    def load() -> object:
        loads.append(1)
        waiting.wait(0.2)
        return object()

    def ask(_: int) -> object:
        start.wait()
        return cache.get("t", 1, ("t", "line"), load)

    with ThreadPoolExecutor(32) as pool:
        values = set(pool.map(ask, range(32)))
    assert len(loads) == 1
    assert len(values) == 1
    assert (cache.counters.misses, cache.counters.hits) == (1, 31)


def test_a_failed_load_raises_in_all_who_waited_and_leaves_nothing() -> None:
    cache, start = Cache(10, 300, Clock()), threading.Barrier(8)
    hold = threading.Event()

    def fail() -> str:
        hold.wait(0.2)
        raise KeyError("kms is down")

    def ask(_: int) -> str:
        start.wait()
        with pytest.raises(KeyError):
            cache.get("t", 1, ("t", "line"), fail)
        return "raised"

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["raised"] * 8
    assert cache.get("t", 1, ("t", "line"), lambda: "fine") == "fine"


def test_a_line_is_loaded_again_when_it_is_stale() -> None:
    clock = Clock()
    cache = Cache(10, 300, clock)
    assert cache.get("t", 1, ("t",), lambda: "old") == "old"
    clock.now = 299.9
    assert cache.get("t", 1, ("t",), lambda: "new") == "old"
    clock.now = 300.0
    assert cache.get("t", 1, ("t",), lambda: "new") == "new"


def test_the_least_recently_used_line_goes_first() -> None:
    cache = Cache(2, 300, Clock())
    for line in "ab":
        cache.get("t", 1, ("t", line), lambda: "first")
    cache.get("t", 1, ("t", "a"), lambda: "again")
    cache.get("t", 1, ("t", "c"), lambda: "first")
    assert cache.get("t", 1, ("t", "a"), lambda: "again") == "first"
    assert cache.get("t", 1, ("t", "b"), lambda: "again") == "again"
    assert len(cache) == 2
    assert cache.counters.evictions == 2


def test_a_greater_epoch_empties_that_tenant_and_no_other() -> None:
    cache = Cache(10, 300, Clock())
    cache.get("acme", 1, ("acme", 1, "x"), lambda: "acme's")
    cache.get("globex", 1, ("globex", 1, "x"), lambda: "globex's")
    cache.get("acme", 2, ("acme", 2, "y"), lambda: "new")
    assert len(cache) == 2
    assert cache.get("globex", 1, ("globex", 1, "x"), lambda: "loaded") == "globex's"


def test_a_load_that_was_under_way_when_the_tenant_was_forgotten_is_not_kept() -> None:
    cache = Cache(10, 300, Clock())

    def load() -> str:
        cache.forget("acme")
        return "too late"

    assert cache.get("acme", 1, ("acme", 1, "x"), load) == "too late"
    assert len(cache) == 0


def test_an_older_epoch_is_served_and_never_kept() -> None:
    """A reader that lags behind may still show the old epoch after this process has seen the new one."""
    cache = Cache(10, 300, Clock())
    cache.get("acme", 2, ("acme", 2, "x"), lambda: "new")
    assert cache.get("acme", 1, ("acme", 1, "x"), lambda: "old") == "old"
    assert len(cache) == 1


def test_what_is_remembered_of_tenants_is_bounded() -> None:
    cache = Cache(5, 300, Clock())
    for n in range(100):
        cache.get(f"t-{n}", 1, (f"t-{n}", 1), object)
    assert len(cache._epochs) <= 5
    assert len(cache) <= 5


def test_its_repr_shows_counts_alone() -> None:
    cache = Cache(5, 300, Clock())
    cache.get("t", 1, ("t",), lambda: "secret")
    assert "secret" not in repr(cache)
