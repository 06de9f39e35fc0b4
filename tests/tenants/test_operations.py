"""The engine: claims, fencing, leases, pauses and the order of positions, with handlers that do as the test says."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.db import connections
from structlog.testing import capture_logs

from crypto.errors import KeyAccessDenied, KeyNotFound, KeyUnavailable
from tenants.errors import NotFound, OperationNotRetryable
from tenants.selectors import TenantView, get_progress, list_audit_events
from tenants.services import claims
from tenants.services.claims import ClaimLost, claim, note
from tenants.services.operations import (
    LONGEST_PAUSE_SECONDS,
    MOST_TRIES,
    pause_seconds,
    retry_operation,
    run_operation,
)
from tenants.services.work import NotYet, Work
from tenants.states import OperationKind, OperationState
from tests.cast import OPERATOR, Cast, as_region, let_time_pass
from tests.tenants.plans import (
    Fake,
    Killed,
    handled_by,
    is_due,
    make_due,
    raising,
    row,
    run,
    seconds_to_wait,
    step,
)

CREATE, REPLICATE = OperationKind.CREATE_PRIMARY_KEY, OperationKind.REPLICATE_KEY


@pytest.fixture
def initech(cast: Cast) -> TenantView:
    return cast.initech()


def states(tenant: TenantView) -> list[tuple[int, str]]:
    return [(one.position, one.state) for one in get_progress(tenant.id).operations]


def test_only_the_first_position_is_due_at_the_start(initech: TenantView) -> None:
    assert [state for position, state in states(initech) if position == 0] == ["due"]
    assert {state for position, state in states(initech) if position > 0} == {"planned"}


def test_a_finished_step_makes_the_next_position_due_and_no_other(initech: TenantView) -> None:
    with handled_by({CREATE: Fake()}):
        assert run(initech, step(initech, CREATE)).state == OperationState.DONE
    assert {state for position, state in states(initech) if position == 1} == {"due"}
    assert {state for position, state in states(initech) if position > 1} == {"planned"}


def test_the_next_position_waits_for_all_of_this_one(initech: TenantView) -> None:
    with handled_by({CREATE: Fake(), REPLICATE: Fake()}):
        run(initech, step(initech, CREATE))
        run(initech, step(initech, REPLICATE, "us-west-1"))
        assert {state for position, state in states(initech) if position == 2} == {"planned"}
        run(initech, step(initech, REPLICATE, "eu-west-1"))
    assert {state for position, state in states(initech) if position == 2} == {"due"}


def test_a_claimed_operation_is_nobody_elses(initech: TenantView) -> None:
    fake = Fake()
    with handled_by({CREATE: fake}):
        first = step(initech, CREATE)
        assert claim(tenant_id=initech.id, operation_id=first.id)
        assert run(initech, first).state == OperationState.RUNNING
    assert fake.seen == []


def test_a_lease_that_ran_out_lets_another_worker_take_over(initech: TenantView) -> None:
    first = step(initech, CREATE)
    assert claim(tenant_id=initech.id, operation_id=first.id)
    assert not is_due(initech, first.id)
    let_time_pass(initech)
    with handled_by({CREATE: Fake()}):
        done = run(initech, first)
    assert (done.state, done.attempts) == (OperationState.DONE, 2)


def test_a_worker_that_lost_its_lease_writes_nothing(initech: TenantView) -> None:
    """It was paused while performing; meanwhile another one took over and finished."""
    first = step(initech, CREATE)

    def pause(work: Work) -> dict[str, object]:
        if work.attempt == 1:
            let_time_pass(initech)
            run_operation(tenant_id=initech.id, operation_id=first.id)
        return {"by": work.attempt}

    recorded: list[int] = []
    fake = Fake(does=pause, records=lambda work: recorded.append(work.attempt))  # type: ignore[arg-type]
    with handled_by({CREATE: fake}), capture_logs() as lines:
        assert run(initech, first).state == OperationState.DONE
    assert row(initech, first.id).result == {"by": 2}
    assert recorded == [2]
    assert "claim_lost" in [line["event"] for line in lines]


def test_a_worker_that_lost_its_lease_cannot_take_a_step_that_it_noted_first(
    initech: TenantView,
) -> None:
    first = step(initech, CREATE)
    lost = claim(tenant_id=initech.id, operation_id=first.id)
    assert lost
    let_time_pass(initech)
    held = claim(tenant_id=initech.id, operation_id=first.id)
    assert held
    with pytest.raises(ClaimLost):
        note(lost, create_called_at="now")
    note(held, create_called_at="then")
    assert row(initech, first.id).result == {"create_called_at": "then"}


def test_a_late_failure_of_a_lost_worker_changes_nothing(initech: TenantView) -> None:
    first = step(initech, CREATE)

    def pause(work: Work) -> None:
        if work.attempt == 1:
            let_time_pass(initech)
            run_operation(tenant_id=initech.id, operation_id=first.id)
            raise KeyAccessDenied("too late")

    with handled_by({CREATE: Fake(does=pause)}):
        done = run(initech, first)
    assert (done.state, done.error) == (OperationState.DONE, {})


def test_a_killed_worker_leaves_a_lease_and_nothing_else(initech: TenantView) -> None:
    first = step(initech, CREATE)
    with handled_by({CREATE: Fake(does=raising(Killed()))}), pytest.raises(Killed):
        run(initech, first)
    left = step(initech, CREATE)
    assert (left.state, left.error) == (OperationState.RUNNING, {})
    assert not is_due(initech, first.id)


def test_killed_while_recording_nothing_of_it_is_stored(initech: TenantView) -> None:
    first = step(initech, CREATE)
    with handled_by({CREATE: Fake(records=raising(Killed()))}), pytest.raises(Killed):  # type: ignore[arg-type]
        run(initech, first)
    assert step(initech, CREATE).state == OperationState.RUNNING
    assert {state for position, state in states(initech) if position == 1} == {"planned"}


def test_an_operation_of_another_region_is_left_alone(initech: TenantView) -> None:
    fake = Fake()
    with handled_by({CREATE: fake}), as_region("eu-west-1"):
        assert run(initech, step(initech, CREATE)).state == OperationState.DUE
    assert fake.seen == []


def test_a_planned_operation_cannot_be_run(initech: TenantView) -> None:
    fake = Fake()
    with handled_by({REPLICATE: fake}):
        assert run(initech, step(initech, REPLICATE)).state == OperationState.PLANNED
    assert fake.seen == []


def test_an_operation_of_another_tenant_cannot_be_run(initech: TenantView, cast: Cast) -> None:
    fake = Fake()
    with handled_by({CREATE: fake}):
        run_operation(tenant_id=cast.initech().id, operation_id=step(initech, CREATE).id)
        run_operation(tenant_id=initech.id, operation_id=uuid4())
    assert fake.seen == []


def test_two_workers_at_the_last_two_steps_of_a_position_do_not_both_miss_the_next(
    cast: Cast,
) -> None:
    """Both have done their work and record at the same moment: the second must see that the first is done."""
    for _ in range(5):
        tenant = cast.initech()
        with handled_by({CREATE: Fake()}):
            run(tenant, step(tenant, CREATE))
        together = threading.Barrier(2, timeout=30)

        def meet(_: Work, barrier: threading.Barrier = together) -> None:
            barrier.wait()

        with handled_by({REPLICATE: Fake(does=meet)}):
            in_threads(
                tenant,
                [step(tenant, REPLICATE, region).id for region in ("us-west-1", "eu-west-1")],
            )
        assert {state for position, state in states(tenant) if position == 1} == {"done"}
        assert {state for position, state in states(tenant) if position == 2} == {"due"}


def test_of_many_workers_with_the_same_message_one_works(initech: TenantView) -> None:
    fake = Fake()
    with handled_by({CREATE: fake}):
        in_threads(initech, [step(initech, CREATE).id] * 8)
    assert len(fake.seen) == 1


def in_threads(tenant: TenantView, ids: list[object]) -> None:
    def work(operation_id: object) -> None:
        try:
            run_operation(tenant_id=tenant.id, operation_id=operation_id)  # type: ignore[arg-type]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(one,)) for one in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_what_is_retryable_is_tried_again_for_as_long_as_it_takes(initech: TenantView) -> None:
    first = step(initech, CREATE)
    with handled_by(
        {CREATE: Fake(does=raising(KeyUnavailable("kms:CreateKey in us-east-2: no answer.")))}
    ):
        for tries in range(1, MOST_TRIES + 3):
            waiting = run(initech, first)
            assert (waiting.state, waiting.attempts) == (OperationState.DUE, tries)
            assert waiting.error == {
                "code": "key_unavailable",
                "message": "kms:CreateKey in us-east-2: no answer.",
            }
            assert not is_due(initech, first.id)
            let_time_pass(initech)
            let_time_pass(initech)
    with handled_by({CREATE: Fake()}):
        done = run(initech, first)
    assert (done.state, done.error, row(initech, first.id).failures) == (OperationState.DONE, {}, 0)


def test_pauses_double_with_jitter_up_to_a_minute() -> None:
    for failures in (0, 1, 2, 5, 6, 100):
        longest = min(2.0**failures, LONGEST_PAUSE_SECONDS)
        pauses = [pause_seconds(failures) for _ in range(50)]
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len(set(pauses)) > 1


def test_a_fatal_error_fails_the_operation_and_stops_the_plan(initech: TenantView) -> None:
    first = step(initech, CREATE)
    denied = KeyAccessDenied("kms:CreateKey in us-east-2 was refused: AccessDeniedException.")
    with handled_by({CREATE: Fake(does=raising(denied))}):
        failed = run(initech, first)
    assert (failed.state, failed.error["code"]) == (OperationState.FAILED, "key_access_denied")
    assert failed.finished_at
    assert get_progress(initech.id).failed == 1
    assert {state for position, state in states(initech) if position > 0} == {"planned"}
    [event] = [
        one
        for one in list_audit_events(initech.id, before=None, limit=10)
        if one.action == "operation.failed"
    ]
    assert event.detail == {"kind": CREATE, "region": "us-east-2", **failed.error}


def test_a_failed_step_does_not_stop_those_beside_it_but_those_behind_it(
    initech: TenantView,
) -> None:
    with handled_by({CREATE: Fake()}):
        run(initech, step(initech, CREATE))
    with handled_by({REPLICATE: Fake(does=raising(KeyAccessDenied("no")))}):
        run(initech, step(initech, REPLICATE, "eu-west-1"))
    with handled_by({REPLICATE: Fake()}):
        assert run(initech, step(initech, REPLICATE, "us-west-1")).state == OperationState.DONE
    assert {state for position, state in states(initech) if position == 2} == {"planned"}


def test_an_error_that_may_settle_is_tried_a_few_times_before_it_counts(
    initech: TenantView,
) -> None:
    class Settling(Fake):
        settles = (KeyNotFound,)

    first = step(initech, CREATE)
    with handled_by({CREATE: Settling(does=raising(KeyNotFound("not yet everywhere")))}):
        for _ in range(MOST_TRIES - 1):
            assert run(initech, first).state == OperationState.DUE
            let_time_pass(initech)
        assert run(initech, first).state == OperationState.FAILED


def test_an_error_that_nobody_foresaw_shows_its_class_alone_and_fails_in_the_end(
    initech: TenantView,
) -> None:
    first = step(initech, CREATE)
    secret = "4111 1111 1111 1111"
    with handled_by({CREATE: Fake(does=raising(ValueError(secret)))}), capture_logs() as lines:
        for _ in range(MOST_TRIES - 1):
            assert run(initech, first).state == OperationState.DUE
            let_time_pass(initech)
        failed = run(initech, first)
    assert failed.state == OperationState.FAILED
    assert failed.error == {"code": "unexpected", "message": "ValueError in this step."}
    assert secret not in repr(lines)
    assert secret not in repr(list_audit_events(initech.id, before=None, limit=50))


def test_not_ready_is_no_failure(initech: TenantView) -> None:
    first = step(initech, CREATE)
    with handled_by({CREATE: Fake(does=raising(NotYet(7)))}):
        for _ in range(MOST_TRIES + 3):
            waiting = run(initech, first)
            assert (waiting.state, waiting.error) == (OperationState.DUE, {})
            assert 0 < seconds_to_wait(initech, first.id) <= 7
            let_time_pass(initech)
    assert row(initech, first.id).failures == 0


def test_a_failed_operation_can_be_retried_and_its_plan_goes_on(initech: TenantView) -> None:
    first = step(initech, CREATE)
    with handled_by({CREATE: Fake(does=raising(KeyAccessDenied("no")))}):
        run(initech, first)
    retry_operation(tenant_id=initech.id, operation_id=first.id, actor=OPERATOR)
    assert step(initech, CREATE).state == OperationState.DUE
    with handled_by({CREATE: Fake()}):
        assert run(initech, first).state == OperationState.DONE
    assert {state for position, state in states(initech) if position == 1} == {"due"}
    assert "operation.retried" in [
        one.action for one in list_audit_events(initech.id, before=None, limit=10)
    ]


def test_only_a_failed_operation_of_ones_own_can_be_retried(
    initech: TenantView, cast: Cast
) -> None:
    first = step(initech, CREATE)
    with pytest.raises(OperationNotRetryable):
        retry_operation(tenant_id=initech.id, operation_id=first.id, actor=OPERATOR)
    with pytest.raises(NotFound):
        retry_operation(tenant_id=cast.initech().id, operation_id=first.id, actor=OPERATOR)


def test_what_is_put_back_for_a_short_while_is_sent_for_its_moment(
    initech: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[object, float]] = []
    monkeypatch.setattr(
        claims,
        "enqueue_operation",
        lambda **job: sent.append((job["operation_id"], job["due_in"])),
    )
    first = step(initech, CREATE)
    with handled_by({CREATE: Fake(does=raising(NotYet(100)))}):
        run(initech, first)
    assert sent == []
    make_due(initech, first.id)
    with handled_by({CREATE: Fake(does=raising(NotYet(1.5)))}):
        run(initech, first)
    assert sent == [(first.id, 1.5)]


def test_facts_of_a_step_that_waits_stand_beside_its_notes(initech: TenantView) -> None:
    first = step(initech, CREATE)

    def look(work: Work) -> None:
        note(work, asked=1)
        raise NotYet(1, seen="nothing")

    with handled_by({CREATE: Fake(does=look)}):
        run(initech, first)
    assert row(initech, first.id).result == {"asked": 1, "seen": "nothing"}
