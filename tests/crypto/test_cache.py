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


def test_a_load_that_was_under_way_when_the_epoch_rose_is_not_kept() -> None:
    cache = Cache(10, 300, Clock())

    def load() -> str:
        cache.get("acme", 2, "y", lambda: "new")
        return "too late"

    assert cache.get("acme", 1, "x", load) == "too late"
    assert len(cache) == 1
    assert cache.get("acme", 2, "x", lambda: "loaded") == "loaded"


def test_who_comes_with_a_greater_epoch_waits_for_no_load_of_the_older_one() -> None:
    cache, loading, done = Cache(10, 300, Clock()), threading.Event(), threading.Event()

    def slow() -> str:
        loading.set()
        done.wait(10)
        return "old"

    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(cache.get, "acme", 1, "x", slow)
        loading.wait(10)
        assert cache.get("acme", 2, "x", lambda: "new") == "new"
        done.set()
        assert old.result() == "old"
    assert cache.get("acme", 2, "x", lambda: "again") == "new"


def test_an_older_epoch_is_loaded_for_and_neither_kept_nor_served_from_the_newer_one() -> None:
    """A reader that lags behind may still show the old epoch after this process has seen the new one."""
    cache = Cache(10, 300, Clock())
    cache.get("acme", 2, "x", lambda: "new")
    assert cache.get("acme", 1, "x", lambda: "old") == "old"
    assert cache.get("acme", 1, "x", lambda: "old again") == "old again"
    assert cache.get("acme", 2, "x", lambda: "loaded") == "new"
    assert len(cache) == 1


def test_a_tenant_that_is_forgotten_loads_again_and_no_other_does() -> None:
    cache = Cache(10, 300, Clock())
    for tenant in ("acme", "globex"):
        cache.get(tenant, 5, "line", lambda: "old")
    cache.forget("acme")
    cache.forget("nobody")
    assert len(cache) == 1
    assert cache.get("globex", 5, "line", lambda: "new") == "old"
    assert cache.get("acme", 5, "line", lambda: "new") == "new"


def test_a_load_that_was_under_way_when_the_tenant_was_forgotten_is_not_kept() -> None:
    cache = Cache(10, 300, Clock())

    def load() -> str:
        cache.forget("acme")
        return "old"

    cache.get("acme", 1, "line", lambda: "first")
    cache.get("acme", 1, "other", load)
    assert cache.get("acme", 1, "other", lambda: "new") == "new"


def test_a_forgotten_tenant_keeps_nothing_for_an_epoch_that_was_over_before() -> None:
    cache = Cache(10, 300, Clock())
    cache.get("acme", 2, "line", lambda: "of 2")
    cache.forget("acme")
    assert cache.get("acme", 1, "line", lambda: "of 1") == "of 1"
    assert cache.get("acme", 2, "line", lambda: "of 2 again") == "of 2 again"
    assert len(cache) == 1


def test_equal_lines_of_two_tenants_are_two() -> None:
    cache = Cache(10, 300, Clock())
    assert cache.get("acme", 1, "x", lambda: "acme's") == "acme's"
    assert cache.get("globex", 1, "x", lambda: "globex's") == "globex's"
    assert cache.get("acme", 1, "x", lambda: "loaded") == "acme's"


def test_a_stale_line_is_deleted_by_the_next_call_of_anybody() -> None:
    """Plaintext keys must not outlive their time only because nobody asks for them again."""
    clock = Clock()
    cache = Cache(10, 300, clock)
    cache.get("acme", 1, "x", object)
    clock.now = 100.0
    cache.get("acme", 1, "y", object)
    clock.now = 300.0
    cache.get("globex", 1, "x", object)
    assert len(cache) == 2
    assert list(cache._shelves["acme"].lines) == ["y"]


def test_what_is_remembered_of_tenants_is_bounded() -> None:
    cache = Cache(5, 300, Clock())
    for n in range(100):
        cache.get(f"t-{n}", 1, "x", object)
        with pytest.raises(ZeroDivisionError):
            cache.get(f"failing-{n}", 1, "x", lambda: 1 // 0)
    assert len(cache._shelves) <= 5
    assert len(cache) <= 5
    assert len(cache) == sum(len(shelf.lines) for shelf in cache._shelves.values())


def test_one_tenant_with_many_lines_pushes_out_no_other() -> None:
    cache = Cache(320, 300, Clock())
    others = [f"t-{n}" for n in range(200)]
    for tenant in others:
        cache.get(tenant, 1, "x", lambda: "kept")
    for n in range(10_000):
        cache.get("noisy", 1, n, object)
    assert [cache.get(tenant, 1, "x", lambda: "lost") for tenant in others] == ["kept"] * 200
    assert len(cache._shelves["noisy"].lines) == 20


def test_the_tenant_that_was_idle_longest_loses_its_line_first() -> None:
    cache = Cache(2, 300, Clock())
    for tenant in "ab":
        cache.get(tenant, 1, "x", lambda: "first")
    cache.get("a", 1, "x", object)
    cache.get("c", 1, "x", object)
    assert cache.get("a", 1, "x", lambda: "again") == "first"
    assert cache.get("b", 1, "x", lambda: "again") == "again"


def test_only_the_value_that_was_found_wanting_is_dropped() -> None:
    cache = Cache(5, 300, Clock())
    old = cache.get("t", 1, "x", object)
    cache.drop("t", "x", object())
    assert cache.get("t", 1, "x", object) is old
    cache.drop("t", "x", old)
    new = cache.get("t", 1, "x", object)
    assert new is not old
    cache.drop("t", "x", old)
    cache.drop("nobody", "x", old)
    assert cache.get("t", 1, "x", object) is new


def test_a_signal_to_the_thread_that_loads_is_not_the_fate_of_those_who_wait() -> None:
    cache, loading, stop = Cache(5, 300, Clock()), threading.Event(), threading.Event()

    def stopped() -> str:
        loading.set()
        stop.wait(10)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(cache.get, "t", 1, "x", stopped)
        loading.wait(10)
        waiter = pool.submit(cache.get, "t", 1, "x", lambda: "loaded")
        while not cache.counters.hits:
            pass
        stop.set()
        with pytest.raises(KeyboardInterrupt):
            leader.result()
        assert waiter.result() == "loaded"


def test_its_repr_shows_counts_alone() -> None:
    cache = Cache(5, 300, Clock())
    cache.get("t", 1, ("t",), lambda: "secret")
    assert "secret" not in repr(cache)
