"""The budget of calls to AWS: slots are spaced, shared, kept over a wait, and no changing call goes without one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from botocore.httpsession import URLLib3Session
from django.db import connections

from tenants.errors import CallQuotaReached, WriterMoved
from tenants.kms.quotas import CALLS_PER_SECOND, Charge, charges, rate
from tenants.models import CallBudget
from tenants.scope import fleet_scope
from tenants.selectors import TenantView
from tenants.services import call_budget
from tenants.services.call_budget import before_call
from tenants.services.clients import get_key_admin
from tenants.services.work import SLOTS, Work
from tenants.states import OperationKind, OperationState
from tests.cast import Cast, run_plan
from tests.tenants.chaos import READS
from tests.tenants.plans import Fake, handled_by, make_due, row, run, seconds_to_wait, step

HOME, EUROPE = "us-east-2", "eu-west-1"
CREATE = OperationKind.CREATE_PRIMARY_KEY
API = "UpdateKeyDescription"
OURS = "test-"


@pytest.fixture(autouse=True)
def fresh(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's own figures, and none of them used, in Regions that other tests know nothing of."""
    settings.GATEWAY_CALL_QUOTAS = {}
    monkeypatch.setattr(call_budget, "charges", charged)
    with fleet_scope("write"):
        mine = CallBudget.objects.filter(region__startswith=OURS)
        mine.update(next_at=datetime.now(UTC) - timedelta(days=1))


def charged(*arguments: Any) -> list[Charge]:
    """As AWS takes it, from Regions of these tests alone."""
    return [replace(one, region=OURS + one.region) for one in charges(*arguments)]


def use_up(operation: str, seconds: float, region: str = HOME) -> None:
    """The next free slot is so far ahead."""
    with fleet_scope("write"):
        CallBudget.objects.update_or_create(
            region=OURS + region,
            api=operation,
            defaults={"next_at": datetime.now(UTC) + timedelta(seconds=seconds)},
        )


def test_a_replica_takes_two_keys_of_its_own_region_as_well() -> None:
    taken = charges(HOME, "ReplicateKey", {"ReplicaRegion": EUROPE}, {})
    assert [(one.region, one.api, one.seconds) for one in taken] == [
        (EUROPE, "CreateKey", 0.4),
        (HOME, "ReplicateKey", 0.2),
    ]


def test_a_move_of_the_primary_counts_in_both_regions() -> None:
    taken = charges(HOME, "UpdatePrimaryRegion", {"PrimaryRegion": EUROPE}, {})
    assert [(one.region, one.seconds) for one in taken] == [(EUROPE, 0.2), (HOME, 0.2)]


def test_reads_take_nothing_and_an_unknown_change_takes_as_the_scarcest() -> None:
    for name in ("DescribeKey", "GetKeyPolicy", "ListAliases", "ListResourceTags"):
        assert charges(HOME, name, {}, {}) == []
    [unknown] = charges(HOME, "DeleteCustomKeyStore", {}, {})
    assert unknown.seconds == 1 / min(
        CALLS_PER_SECOND[name] for name in ("CreateKey", "PutKeyPolicy")
    )


def test_what_aws_has_raised_is_configured_by_api_and_by_region() -> None:
    given = {"CreateKey": 50.0, f"{EUROPE}:CreateKey": 20.0, "*": 7.0}
    assert rate(EUROPE, "CreateKey", given) == 20
    assert rate(HOME, "CreateKey", given) == 50
    assert rate(HOME, "TagResource", given) == 7
    assert rate(HOME, "TagResource", {}) == CALLS_PER_SECOND["TagResource"]


def reserved(operation: str, count: int, **parameters: Any) -> list[datetime]:
    """So many slots, asked for by eight workers at once."""
    slots: list[datetime] = []
    quotas = {f"{HOME}:{API}": 20.0}

    def ask() -> None:
        try:
            for _ in range(count // 8):
                slots.append(call_budget._reserve(charged(HOME, operation, parameters, quotas)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(slots) == count
    return sorted(slots)


def most_within(slots: list[datetime], seconds: float) -> int:
    """The largest number of them in any interval of that length."""
    window = timedelta(seconds=seconds)
    return max(sum(start <= slot < start + window for slot in slots) for start in slots)


def test_workers_that_ask_at_once_get_slots_one_behind_the_other() -> None:
    slots = reserved(API, 80)
    assert most_within(slots, 1.0) <= 20 * (1 + call_budget.BURST_SECONDS) + 1
    assert (slots[-1] - slots[0]).total_seconds() == pytest.approx(80 / 20, abs=0.7)


def test_a_replica_waits_for_both_of_its_quotas_and_none_runs_ahead() -> None:
    use_up("CreateKey", 10, EUROPE)
    slots = reserved("ReplicateKey", 16, ReplicaRegion=EUROPE)
    # Two keys each at 5 a second, whatever the home Region has left.
    assert (slots[-1] - slots[0]).total_seconds() == pytest.approx(
        15 * 0.4 / call_budget.USED, abs=0.1
    )
    assert (slots[0] - datetime.now(UTC)).total_seconds() > 8
    with fleet_scope("latest"):
        home = CallBudget.objects.get(region=OURS + HOME, api="ReplicateKey")
    assert slots[-1] < home.next_at <= slots[-1] + timedelta(seconds=0.45)


def test_what_was_not_used_long_ago_is_no_credit() -> None:
    slots = reserved(API, 40)
    assert most_within(slots, 0.2) <= 20 * (0.2 + call_budget.BURST_SECONDS) + 1


@contextmanager
def naps() -> Iterator[list[float]]:
    """How long it slept."""
    found: list[float] = []
    with patch("tenants.services.call_budget.time.sleep", found.append):
        yield found


def test_a_slot_that_is_near_is_waited_for(settings: Any) -> None:
    settings.GATEWAY_CALL_QUOTAS = {API: 2.0}
    with naps() as found:
        before_call(HOME, API, {})
        before_call(HOME, API, {})
    [waited] = found
    assert 0.2 < waited <= 0.5


def test_outside_of_an_operation_a_slot_that_is_far_is_an_error_that_says_when() -> None:
    use_up(API, 100)
    with naps() as found, pytest.raises(CallQuotaReached, match=r"in (99|100) s"):
        before_call(HOME, API, {})
    assert found == []


def calling(*names: str) -> Any:
    """A handler that makes these calls."""

    def call(_: Work) -> None:
        for name in names:
            before_call(HOME, name, {})

    return Fake(does=call)


def test_a_slot_that_is_far_puts_the_operation_back_and_is_kept(cast: Cast) -> None:
    initech = cast.initech()
    first = step(initech, CREATE)
    use_up(API, 100)
    with handled_by({CREATE: calling(API)}), naps() as found:
        waiting = run(initech, first)
        assert (waiting.state, waiting.error) == (OperationState.DUE, {})
        assert seconds_to_wait(initech, first.id) == pytest.approx(100, abs=2)
        assert list(row(initech, first.id).result[SLOTS]) == [f"{HOME} {API}"]
        at_its_time(initech, first.id)
        taken_before = next_free()
        assert run(initech, first).state == OperationState.DONE
        assert next_free() == taken_before, "it must not queue up twice"
    assert found == [], "nor wait"
    assert SLOTS not in row(initech, first.id).result


def next_free() -> datetime:
    with fleet_scope("latest"):
        return CallBudget.objects.get(region=OURS + HOME, api=API).next_at


def at_its_time(tenant: TenantView, operation_id: Any) -> None:
    """The moment of its slots has come: time cannot be moved, so they are."""
    noted = row(tenant, operation_id).result
    now = datetime.now(UTC).isoformat()
    slots = dict.fromkeys(noted[SLOTS], now)
    make_due(tenant, operation_id, result={**noted, SLOTS: slots})


def test_a_slot_that_was_missed_by_far_is_not_used(cast: Cast) -> None:
    """Else all that waited while the workers were away would call at once."""
    initech = cast.initech()
    first = step(initech, CREATE)
    use_up(API, 100)
    with handled_by({CREATE: calling(API)}), naps():
        run(initech, first)
        noted = row(initech, first.id).result
        long_ago = (datetime.now(UTC) - timedelta(seconds=6)).isoformat()
        make_due(initech, first.id, result={**noted, SLOTS: dict.fromkeys(noted[SLOTS], long_ago)})
        assert run(initech, first).state == OperationState.DUE
    assert seconds_to_wait(initech, first.id) > 90


def test_a_slot_is_for_one_try(cast: Cast) -> None:
    """The call may have been made: a try that failed takes a new one."""
    initech = cast.initech()
    first = step(initech, CREATE)
    use_up(API, 100)
    with handled_by({CREATE: calling(API)}), naps():
        run(initech, first)
        at_its_time(initech, first.id)

    def fail(_: Work) -> None:
        before_call(HOME, API, {})
        raise WriterMoved("no")

    with handled_by({CREATE: Fake(does=fail)}), naps():
        failed = run(initech, first)
    assert failed.error["code"] == "writer_moved"
    assert SLOTS not in row(initech, first.id).result


def test_slots_of_several_calls_are_kept_until_each_is_used(cast: Cast) -> None:
    initech = cast.initech()
    first = step(initech, CREATE)
    use_up("UntagResource", 50)
    with handled_by({CREATE: calling("UntagResource", API)}), naps():
        run(initech, first)
        at_its_time(initech, first.id)
        use_up(API, 100)
        run(initech, first)
        assert list(row(initech, first.id).result[SLOTS]) == [f"{HOME} {API}"]


def test_failures_before_a_slot_still_count(cast: Cast) -> None:
    initech = cast.initech()
    first = step(initech, CREATE)
    make_due(initech, first.id, failures=3)
    use_up(API, 100)
    with handled_by({CREATE: calling(API)}), naps():
        run(initech, first)
    assert row(initech, first.id).failures == 3


def test_nothing_is_noted_of_a_key_whose_turn_has_not_come(cast: Cast) -> None:
    """Else the next try would take the key for one that was made, and wait for it to show."""
    initech = cast.initech()
    first = step(initech, CREATE)
    use_up("CreateKey", 100)
    waiting = run(initech, first)
    assert (waiting.state, waiting.error) == (OperationState.DUE, {})
    assert list(row(initech, first.id).result) == [SLOTS]
    at_its_time(initech, first.id)
    assert run(initech, first).state == OperationState.DONE


def test_without_a_database_no_call_is_made() -> None:
    sent: list[Any] = []

    def away(_: str) -> None:
        raise WriterMoved("The database is away.")

    with (
        patch.object(call_budget, "fleet_scope", away),
        patch.object(URLLib3Session, "send", lambda _, request: sent.append(request)),
        pytest.raises(WriterMoved),
    ):
        get_key_admin().create_primary_key(region=HOME, policy="{}", tags={}, description="")
    assert sent == []


def test_no_call_that_changes_something_is_made_without_its_turn(cast: Cast) -> None:
    turns: list[tuple[str, str]] = []
    sent: list[tuple[str, str]] = []
    reserve, send = call_budget._reserve, URLLib3Session.send

    def reserving(taken: Any) -> Any:
        turns.extend((one.region.removeprefix(OURS), one.api) for one in taken)
        return reserve(taken)

    def sending(session: URLLib3Session, request: Any) -> Any:
        target = request.headers["X-Amz-Target"]
        name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        region = request.headers["Authorization"].decode().split("/")[2]
        if not name.startswith(READS) or name in CALLS_PER_SECOND:
            sent.append((region, name))
        return send(session, request)

    with (
        naps(),
        patch.object(call_budget, "_reserve", reserving),
        patch.object(call_budget, "NEAR_SECONDS", 1e9),
        patch.object(URLLib3Session, "send", sending),
    ):
        run_plan(cast.start("turns", (HOME, EUROPE), HOME, {}))
    assert {name for _, name in sent} >= {
        "CreateKey",
        "ReplicateKey",
        "CreateAlias",
        "PutParameter",
    }
    turns.remove((EUROPE, "CreateKey"))  # what ReplicateKey takes as well
    assert sorted(turns) == sorted(sent)
