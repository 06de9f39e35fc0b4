"""What a fault does to a request is bounded: no connection is held beyond its time, and no more than so many are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.kms import injection
from sandbox.kms.events import Action
from sandbox.kms.faults import LONGEST_WAIT, Fault, Mode
from sandbox.kms.injection import Injection, Silence

LIST_KEYS = Action(name="ListKeys", source="kms.amazonaws.com", read_only=True)


class Connection:
    """As much of a transport as a silent request needs."""

    def __init__(self) -> None:
        self.aborted = False

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def silent_request(region: Injection, fault: Fault) -> tuple[Connection, Callable[[], Any]]:
    connection = Connection()
    request: Any = SimpleNamespace(transport=connection)
    return connection, lambda: region.keep_silent(request, fault)


def test_a_black_hole_lets_go_after_its_longest_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LONGEST_WAIT == 60
    monkeypatch.setattr(injection, "LONGEST_WAIT", 0.05)
    region, fault = Injection(), Fault(mode=Mode.BLACKHOLE)
    region.faults.put(fault)
    connection, wait = silent_request(region, fault)

    async def held() -> None:
        await asyncio.wait_for(wait(), timeout=10)

    asyncio.run(held())
    assert connection.aborted
    assert fault in region.faults, "the fault goes on; only the connection ended"


def test_a_black_hole_lets_go_when_the_caller_does() -> None:
    region, fault = Injection(), Fault(mode=Mode.BLACKHOLE)
    region.faults.put(fault)
    connection, wait = silent_request(region, fault)

    async def held() -> None:
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        connection.abort()
        await asyncio.wait_for(waiting, timeout=10)

    asyncio.run(held())


def test_a_black_hole_holds_only_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "_SILENT_AT_ONCE", 2)
    region, fault = Injection(), Fault(mode=Mode.BLACKHOLE)
    region.faults.put(fault)
    held = [silent_request(region, fault) for _ in range(3)]

    async def all_at_once() -> None:
        waiting = [asyncio.create_task(wait()) for _, wait in held]
        await asyncio.wait_for(waiting[2], timeout=10)
        assert [connection.aborted for connection, _ in held] == [False, False, True]
        region.faults.heal()
        await asyncio.wait_for(asyncio.gather(*waiting), timeout=10)

    asyncio.run(all_at_once())
    assert all(connection.aborted for connection, _ in held)


def test_no_answer_is_slower_than_the_longest_wait() -> None:
    fault = Fault(mode=Mode.SLOW, median=LONGEST_WAIT / 2, p99=LONGEST_WAIT)
    delays = [fault.delay() for _ in range(5000)]
    assert max(delays) == LONGEST_WAIT, "of 5,000 one in a hundred would be longer"
    assert min(delays) > 0
    share = sum(delay < LONGEST_WAIT / 2 for delay in delays) / len(delays)
    assert 0.4 < share < 0.6, "half are faster than the median"


def test_a_share_of_the_requests_is_hit() -> None:
    region = Injection()
    region.faults.put(Fault(mode=Mode.BLACKHOLE, operation="ListKeys", share=0.3))

    async def hits() -> int:
        count = 0
        for _ in range(2000):
            try:
                await region.before(LIST_KEYS)
            except Silence:
                count += 1
        return count

    assert 400 < asyncio.run(hits()) < 800
