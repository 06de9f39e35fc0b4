"""Plans: all of a tenant's, cancelled ones, paused ones, and what a retry may not do."""

from __future__ import annotations

import pytest

from crypto.errors import KeyAccessDenied
from tenants.errors import NotFound, OperationNotRetryable, PlanFinished, PlanNotCancellable
from tenants.models import KeyOperation, Tenant
from tenants.scope import tenant_scope
from tenants.selectors import (
    TenantView,
    get_plan,
    get_progress,
    list_audit_events,
    list_plans,
)
from tenants.services import operations
from tenants.services.claims import claim
from tenants.services.operations import retry_operation, run_operation, sweep_operations
from tenants.services.plans import cancel_plan, pause_plans, resume_plans
from tenants.services.revocation import revoke_tenant
from tenants.services.verification import start_verification
from tenants.services.work import Continue, Work
from tenants.states import OperationKind, OperationState, PlanKind, TenantState
from tests.cast import OPERATOR, Cast, let_time_pass, run_plan
from tests.tenants.plans import Fake, handled_by, is_due, raising, row, run, step

CREATE = OperationKind.CREATE_PRIMARY_KEY


@pytest.fixture
def initech(cast: Cast) -> TenantView:
    return cast.initech()


def cancel(tenant: TenantView) -> int:
    plan = get_progress(tenant.id).plan_id
    assert plan
    return cancel_plan(tenant_id=tenant.id, plan_id=plan, actor=OPERATOR)


def set_state(tenant: TenantView, state: TenantState) -> None:
    with tenant_scope(tenant.id, "write"):
        Tenant.objects.filter(id=tenant.id).update(state=state)


def test_plans_are_listed_newest_first_with_the_counts_of_their_steps(cast: Cast) -> None:
    acme = cast.acme()
    start_verification(tenant_id=acme.id, actor=OPERATOR)
    newer, older = list_plans(acme.id)
    assert (newer.plan, older.plan) == (PlanKind.VERIFICATION, PlanKind.ONBOARDING)
    assert (older.done, older.total, older.failed) == (14, 14, 0)
    assert older.is_finished
    assert older.finished_at
    assert older.created_at <= older.finished_at <= newer.created_at
    assert (newer.is_finished, newer.finished_at) == (False, None)
    assert list_plans(acme.id, limit=1) == [newer]
    assert list_plans(acme.id, before=newer.plan_id) == [older]
    assert get_plan(acme.id, older.plan_id).operations[0].kind == CREATE
    assert get_progress(acme.id) == get_plan(acme.id, newer.plan_id)


def test_the_plan_of_another_tenant_is_not_there(initech: TenantView, cast: Cast) -> None:
    plan = get_progress(initech.id).plan_id
    assert plan
    with pytest.raises(NotFound):
        get_plan(cast.initech().id, plan)


def test_a_cancelled_plan_is_finished_and_none_of_it_runs_any_more(initech: TenantView) -> None:
    with handled_by({CREATE: Fake()}):
        run(initech, step(initech, CREATE))
    assert cancel(initech) == 13
    found = get_progress(initech.id)
    assert (found.done, found.cancelled, found.total) == (1, 13, 14)
    assert found.is_finished
    [line] = list_plans(initech.id)
    assert (line.done, line.cancelled, line.is_finished) == (1, 13, True)
    fake = Fake()
    with handled_by({OperationKind.REPLICATE_KEY: fake}):
        assert run(initech, step(initech, OperationKind.REPLICATE_KEY)).state == "cancelled"
    assert fake.seen == []
    [event] = [e for e in list_audit_events(initech.id, before=None, limit=5) if "plan" in e.action]
    assert (event.action, event.detail) == ("plan.cancelled", {"plan": "onboarding", "steps": 13})
    with pytest.raises(PlanFinished):
        cancel(initech)


def test_a_step_that_runs_while_its_plan_is_cancelled_records_nothing(initech: TenantView) -> None:
    first = step(initech, CREATE)
    recorded: list[Work] = []
    fake = Fake(does=lambda _: {"n": cancel(initech)}, records=recorded.append)
    with handled_by({CREATE: fake}):
        assert run(initech, first).state == OperationState.CANCELLED
    assert recorded == []
    assert {one.state for one in get_progress(initech.id).operations} == {"cancelled"}


def test_a_step_that_fails_while_its_plan_is_cancelled_stays_cancelled(initech: TenantView) -> None:
    first = step(initech, CREATE)

    def cancel_and_fail(_: Work) -> None:
        cancel(initech)
        raise KeyAccessDenied("too late")

    with handled_by({CREATE: Fake(does=cancel_and_fail)}):
        assert run(initech, first).state == OperationState.CANCELLED
    with pytest.raises(OperationNotRetryable):
        retry_operation(tenant_id=initech.id, operation_id=first.id, actor=OPERATOR)


def test_a_cancelled_plan_can_have_failed_before(initech: TenantView) -> None:
    with handled_by({CREATE: Fake(does=raising(KeyAccessDenied("no")))}):
        run(initech, step(initech, CREATE))
    assert cancel(initech) == 14
    found = get_progress(initech.id)
    assert (found.failed, found.cancelled, found.is_finished) == (0, 14, True)


def test_a_paused_step_is_claimed_by_nobody_until_it_is_resumed(
    initech: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = step(initech, CREATE)
    with tenant_scope(initech.id, "write"):
        assert pause_plans(initech.id) == 1
    let_time_pass(initech)
    assert claim(tenant_id=initech.id, operation_id=first.id) is None
    assert (get_progress(initech.id).paused, is_due(initech, first.id)) == (1, False)
    sent: list[object] = []
    monkeypatch.setattr(
        operations, "enqueue_operation", lambda **what: sent.append(what["operation_id"])
    )
    sweep_operations(region="us-east-2")
    assert first.id not in sent
    with tenant_scope(initech.id, "write"):
        assert resume_plans(initech.id) == 1
    with handled_by({CREATE: Fake()}):
        assert run(initech, first).state == OperationState.DONE


def test_a_step_that_is_paused_while_it_runs_records_nothing_and_runs_again_later(
    initech: TenantView,
) -> None:
    first = step(initech, CREATE)

    def pause(work: Work) -> None:
        if work.attempt == 1:
            with tenant_scope(initech.id, "write"):
                pause_plans(initech.id)

    fake = Fake(does=pause)
    with handled_by({CREATE: fake}):
        assert run(initech, first).state == OperationState.PAUSED
        with tenant_scope(initech.id, "write"):
            resume_plans(initech.id)
        assert run(initech, first).state == OperationState.DONE
    assert len(fake.seen) == 2


def test_while_a_tenant_is_revoked_only_what_belongs_to_that_can_be_retried(
    initech: TenantView,
) -> None:
    first = step(initech, CREATE)
    with handled_by({CREATE: Fake(does=raising(KeyAccessDenied("no")))}):
        run(initech, first)
    set_state(initech, TenantState.REVOKED)
    with pytest.raises(OperationNotRetryable, match="revoked"):
        retry_operation(tenant_id=initech.id, operation_id=first.id, actor=OPERATOR)
    with tenant_scope(initech.id, "write"):
        KeyOperation.objects.filter(id=first.id).update(plan=PlanKind.REVOCATION)
    retry_operation(tenant_id=initech.id, operation_id=first.id, actor=OPERATOR)
    assert row(initech, first.id).state == OperationState.DUE


def test_a_long_step_shows_how_many_rows_it_has_done(initech: TenantView) -> None:
    first = step(initech, CREATE)

    def part(work: Work) -> dict[str, object]:
        place = int(str(work.found.get("place", 0))) + 10
        if place < 30:
            raise Continue(place=place, done=place, total=30)
        return {"done": 30, "total": 30}

    with handled_by({CREATE: Fake(does=part)}):  # type: ignore[arg-type]
        for done in (10, 20):
            found = run(initech, first)
            assert (found.state, found.done, found.total) == (OperationState.DUE, done, 30)
            assert is_due(initech, first.id)
        found = run(initech, first)
    assert (found.state, found.done, found.total) == (OperationState.DONE, 30, 30)
    other = step(initech, OperationKind.REPLICATE_KEY)
    assert (other.done, other.total) == (None, None)


def test_facts_that_are_no_counts_are_none(cast: Cast) -> None:
    initech = cast.initech()
    first = step(initech, CREATE)
    with handled_by({CREATE: Fake(does=lambda _: {"done": True, "total": ["x"]})}):
        found = run(initech, first)
    assert (found.done, found.total) == (None, None)


def test_a_step_that_is_cancelled_between_two_parts_stops(initech: TenantView) -> None:
    first = step(initech, CREATE)
    with handled_by({CREATE: Fake(does=raising(Continue(done=1, total=2)))}):
        run(initech, first)
        cancel(initech)
        run_operation(tenant_id=initech.id, operation_id=first.id)
    assert row(initech, first.id).attempts == 1


def test_a_cancelled_plan_does_not_stop_the_next(cast: Cast) -> None:
    acme = cast.acme()
    start_verification(tenant_id=acme.id, actor=OPERATOR)
    cancel(acme)
    start_verification(tenant_id=acme.id, actor=OPERATOR)
    assert run_plan(acme).cancelled == 0


def test_a_plan_with_a_way_back_of_its_own_is_not_cancelled(initech: TenantView) -> None:
    plan_id = revoke_tenant(tenant_id=initech.id, reason="A test", actor=OPERATOR)
    with pytest.raises(PlanNotCancellable, match="restore the tenant"):
        cancel_plan(tenant_id=initech.id, plan_id=plan_id, actor=OPERATOR)
    assert {one.state for one in get_plan(initech.id, plan_id).operations} == {OperationState.DUE}
