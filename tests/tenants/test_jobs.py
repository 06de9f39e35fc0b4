"""Sending jobs: after the commit and never before, to the Region that runs them, and a dead broker stops nobody."""

from __future__ import annotations

from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import OperationalError
from structlog.testing import capture_logs

from tenants import jobs, tasks
from tenants.models.base import new_id
from tenants.request import request_id
from tenants.scope import tenant_scope
from tenants.selectors import TenantView, get_progress, list_audit_events
from tenants.services import operations
from tenants.services.work import Continue, NotYet
from tenants.states import OperationKind
from tenants.tasks import run_operation, sweep_operations
from tests.cast import Cast
from tests.tenants.plans import Fake, handled_by, raising, step


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is handed to Celery from here on."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(
        current_app, "send_task", lambda name, **named: found.append({"name": name, **named})
    )
    monkeypatch.setattr(jobs, "_broker", jobs._Broker())
    return found


def enqueue(region: str = "us-east-2") -> None:
    jobs.enqueue_operation(tenant_id=new_id(), operation_id=new_id(), run_region=region)


def test_a_job_goes_to_the_queue_of_its_region_with_ids_alone(
    sent: list[dict[str, Any]], cast: Cast
) -> None:
    tenant = cast.initech()
    [job] = sent
    assert (job["name"], job["queue"]) == ("tenants.run_operation", "us-east-2")
    assert job["args"] == [str(tenant.id), str(step(tenant, OperationKind.CREATE_PRIMARY_KEY).id)]
    assert job["retry"] is False


def test_nothing_is_sent_before_the_commit_or_after_a_rollback(
    sent: list[dict[str, Any]], cast: Cast
) -> None:
    tenant = cast.initech()
    sent.clear()
    with tenant_scope(tenant.id, "write"):
        enqueue()
        assert sent == []
    assert len(sent) == 1
    with pytest.raises(ZeroDivisionError):
        enqueue_and_fail(tenant)
    assert len(sent) == 1


def enqueue_and_fail(tenant: TenantView) -> None:
    with tenant_scope(tenant.id, "write"):
        enqueue()
        raise ZeroDivisionError


def test_a_job_for_later_comes_at_its_moment_and_lives_as_much_longer(
    sent: list[dict[str, Any]],
) -> None:
    jobs.enqueue_operation(
        tenant_id=new_id(), operation_id=new_id(), run_region="us-east-2", due_in=2.0
    )
    enqueue()
    later, now = sent
    assert 2.0 < later["countdown"] < 2.2
    assert later["expires"] == now["expires"] + 2.0
    assert "countdown" not in now


def test_what_waits_in_a_queue_is_not_sent_again_by_every_sweep(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job: dict[str, Any] = {
        "tenant_id": new_id(),
        "operation_id": new_id(),
        "run_region": "us-east-2",
    }
    for _ in range(3):
        jobs.enqueue_operation(**job, again=True)
    assert len(sent) == 1
    jobs.enqueue_operation(**job)  # a step has made it due anew
    assert len(sent) == 2
    jobs.enqueue_operation(**job, due_in=3.0, again=True)  # it was put back, for another moment
    jobs.enqueue_operation(**job, due_in=3.0, again=True)
    assert len(sent) == 3
    jobs.enqueue_operation(**job)
    sent.clear()
    monkeypatch.setattr(jobs, "_AGAIN_SECONDS", 0.0)
    jobs.enqueue_operation(**job, again=True)
    assert len(sent) == 1


def test_what_could_not_be_sent_is_sent_by_the_next_sweep(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    job: dict[str, Any] = {
        "tenant_id": new_id(),
        "operation_id": new_id(),
        "run_region": "us-east-2",
    }

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("no")

    with monkeypatch.context() as patch:
        patch.setattr(current_app, "send_task", fail)
        jobs.enqueue_operation(**job)
    jobs._broker._resting_until = 0.0
    jobs.enqueue_operation(**job, again=True)
    assert len(sent) == 1


def test_what_is_remembered_of_jobs_is_bounded(
    sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_MOST_REMEMBERED", 10)
    for _ in range(35):
        enqueue()
    assert len(jobs._broker._sent) <= 10
    assert len(sent) == 35


def test_a_region_that_this_broker_does_not_serve_is_left_to_its_own_sweep(
    sent: list[dict[str, Any]], settings: Any
) -> None:
    settings.GATEWAY_BROKER_REGIONS = ("us-east-2",)
    enqueue("eu-west-1")
    enqueue("us-east-2")
    assert [job["queue"] for job in sent] == ["us-east-2"]


@pytest.mark.parametrize(
    "error", [OperationalError("redis://:secret@broker"), ConnectionRefusedError("no")]
)
def test_a_dead_broker_fails_no_request_and_is_asked_by_one_of_many(
    monkeypatch: pytest.MonkeyPatch, cast: Cast, error: Exception
) -> None:
    asked: list[str] = []

    def fail(name: str, **_: Any) -> None:
        asked.append(name)
        raise error

    monkeypatch.setattr(current_app, "send_task", fail)
    monkeypatch.setattr(jobs, "_broker", jobs._Broker())
    with capture_logs() as lines:
        for _ in range(5):
            assert cast.initech().state == "onboarding"
    assert len(asked) == 1
    assert [line["event"] for line in lines if line["event"] == "broker_unreachable"] == [
        "broker_unreachable"
    ]
    assert "secret" not in repr(lines)


def test_after_its_rest_the_broker_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, sent: list[dict[str, Any]]
) -> None:
    broker = jobs._Broker()
    monkeypatch.setattr(jobs, "_broker", broker)
    broker._resting_until = float("inf")
    enqueue()
    assert sent == []
    broker._resting_until = 0.0
    enqueue()
    assert len(sent) == 1


def test_a_job_that_is_run_names_its_operation_in_the_audit_log(cast: Cast) -> None:
    tenant: TenantView = cast.initech()
    first = step(tenant, OperationKind.CREATE_PRIMARY_KEY)
    before = request_id.get()
    run_operation(str(tenant.id), str(first.id))
    events = list_audit_events(tenant.id, before=None, limit=10)
    assert [one.request_id for one in events if one.action == "key.created"] == [str(first.id)]
    assert request_id.get() == before


def test_a_worker_goes_on_with_what_its_step_makes_due_and_sends_the_rest(
    sent: list[dict[str, Any]], cast: Cast
) -> None:
    tenant = cast.initech()
    first = step(tenant, OperationKind.CREATE_PRIMARY_KEY)
    sent.clear()
    create, replicate = Fake(), Fake()
    done = {OperationKind.CREATE_PRIMARY_KEY: create, OperationKind.REPLICATE_KEY: replicate}
    with handled_by({**done, OperationKind.AWAIT_ENABLED: Fake(does=raising(NotYet(60)))}):
        run_operation(str(tenant.id), str(first.id))
    assert (len(create.seen), len(replicate.seen)) == (1, 1)
    [other] = [
        one
        for one in get_progress(tenant.id).operations
        if one.kind == OperationKind.REPLICATE_KEY and one.state == "due"
    ]
    assert [job["args"] for job in sent] == [[str(tenant.id), str(other.id)]]


def test_a_step_of_many_parts_lets_others_have_their_turn(
    sent: list[dict[str, Any]], cast: Cast
) -> None:
    tenant = cast.initech()
    first = step(tenant, OperationKind.CREATE_PRIMARY_KEY)
    sent.clear()
    endless = Fake(does=raising(Continue(done=1, total=10**6)))
    with handled_by({OperationKind.CREATE_PRIMARY_KEY: endless}):
        run_operation(str(tenant.id), str(first.id))
    assert len(endless.seen) == tasks._MOST_IN_A_ROW
    assert [job["args"][1] for job in sent] == [str(first.id)]


def test_the_sweep_of_a_worker_is_that_of_its_own_region(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    swept: list[str] = []
    monkeypatch.setattr(operations, "sweep_operations", lambda *, region: swept.append(region))
    settings.GATEWAY_REGION = "eu-west-1"
    sweep_operations()
    assert swept == ["eu-west-1"]
