"""Taking a removal back: wherever it is, until KMS has deleted the key, and with whatever was given up on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.errors import (
    NotFound,
    PlanUnderWay,
)
from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.selectors import (
    TenantView,
    get_progress,
    list_region_rules,
    list_regional_keys,
)
from tenants.services.onboarding import RegionRuleInput
from tenants.services.plans import cancel_plan
from tenants.services.region_addition import start_region_addition
from tenants.states import OperationKind, OperationState, PlanKind
from tests.cast import (
    EVERYWHERE,
    OPERATOR,
    Cast,
    advance_kms_clock,
    let_time_pass,
    run_due,
    run_plan,
)
from tests.tenants.app import App
from tests.tenants.aws import keys_of
from tests.tenants.chaos import killed_everywhere
from tests.tenants.leaving import (
    DAYS,
    EU,
    US,
    WEST,
    cancel,
    gone_from,
    let_days_pass,
    remove,
    run_to,
)
from tests.tenants.plans import row, step
from tests.tenants.standing import stands_in, told


@pytest.fixture
def acme(cast: Cast) -> TenantView:
    return cast.acme()


def points_of_removal() -> list[OperationKind]:
    return [
        OperationKind.PROVE_DISPENSABLE,
        OperationKind.VERIFY_KEY,
        OperationKind.WITHDRAW_KEY,
        OperationKind.SCHEDULE_DELETION,
        OperationKind.AWAIT_DELETED,
    ]


@pytest.mark.parametrize("kind", points_of_removal())
def test_a_removal_is_taken_back_wherever_it_is_until_kms_has_deleted_the_key(
    cast: Cast, kind: OperationKind
) -> None:
    acme = cast.acme(us_west_1=RegionRuleInput(WEST, True, ("pci", "phi", "pii")))
    app = App(acme)
    app.write(WEST)
    before = list_region_rules(acme.id)
    remove(acme)
    while kind in [o.kind for o in get_progress(acme.id).operations if o.state == "planned"]:
        if not run_due(acme):
            let_time_pass(acme)
    plan = cancel(acme)
    assert cancel(acme) == plan
    with pytest.raises(Exception, match="not proven yet"):
        app.write(WEST)
    assert run_plan(acme).plan == PlanKind.REGION_ADDED
    stands_in(acme, EVERYWHERE)
    assert list_region_rules(acme.id) == before
    assert [key.deletion_date for key in list_regional_keys(acme.id)] == [None] * 3
    app.write(WEST)
    assert app.reads_all(WEST) == app.reads_all(EU) == 2
    with pytest.raises(NotFound):
        cancel(acme)


def test_a_step_that_runs_at_this_moment_is_not_overtaken(acme: TenantView) -> None:
    remove(acme)
    run_to(acme, OperationKind.SCHEDULE_DELETION)
    one = step(acme, OperationKind.SCHEDULE_DELETION)
    with tenant_scope(acme.id, "write"):
        KeyOperation.objects.filter(id=one.id).update(
            state=OperationState.RUNNING, next_attempt_at=timezone.now() + timedelta(seconds=20)
        )
    with pytest.raises(PlanUnderWay, match="half a minute"):
        cancel(acme)
    let_time_pass(acme)
    cancel(acme)
    assert row(acme, one.id).state == OperationState.CANCELLED
    run_plan(acme)
    stands_in(acme, EVERYWHERE)


def test_what_is_deleted_is_not_taken_back(acme: TenantView) -> None:
    remove(acme)
    run_to(acme, OperationKind.AWAIT_DELETED)
    run_due(acme)
    let_days_pass(acme)
    while step(acme, OperationKind.AWAIT_DELETED).state != OperationState.DONE:
        run_due(acme)
        let_time_pass(acme)
    with pytest.raises(NotFound, match="deleted already"):
        cancel(acme)
    run_plan(acme)
    gone_from(acme, WEST)
    with pytest.raises(NotFound):
        cancel(acme)


def test_a_return_that_comes_too_late_makes_the_key_anew(acme: TenantView) -> None:
    """KMS has deleted the key, and nobody here has looked since."""
    app = App(acme)
    app.write(WEST)
    remove(acme)
    run_to(acme, OperationKind.AWAIT_DELETED)
    run_due(acme)
    advance_kms_clock((DAYS + 1) * 86_400)
    assert WEST not in keys_of(acme)
    cancel(acme)
    run_plan(acme)
    stands_in(acme, EVERYWHERE)
    app.write(WEST)
    assert app.reads_all(WEST) == 2
    assert told(acme, "key.replicated") == 3


def test_a_return_that_is_given_up_half_way_is_taken_up_again(acme: TenantView) -> None:
    remove(acme)
    run_to(acme, OperationKind.AWAIT_DELETED)
    plan = cancel(acme)
    run_due(acme)
    cancel_plan(tenant_id=acme.id, plan_id=plan, actor=OPERATOR)
    start_region_addition(tenant_id=acme.id, rule=RegionRuleInput(WEST), actor=OPERATOR)
    run_plan(acme)
    stands_in(acme, EVERYWHERE)
    assert (told(acme, "key.replicated"), told(acme, "key.found")) == (2, 1)


def test_a_worker_may_be_killed_at_every_point_of_taking_a_removal_back(cast: Cast) -> None:
    def start() -> TenantView:
        tenant = cast.onboard("killed", (US, WEST), US, {})
        remove(tenant)
        run_to(tenant, OperationKind.AWAIT_DELETED)
        cancel(tenant)
        return tenant

    def check(tenant: TenantView) -> None:
        stands_in(tenant, (US, WEST))
        assert told(tenant, "key.deletion_cancelled") == 1

    points = killed_everywhere(start, check, sample=5)
    changed = {point.name for point in points if point.is_change}
    assert {"CancelKeyDeletion", "EnableKey", "CreateAlias", "PutParameter"} <= changed
