"""Moving the primary: KMS and our tables agree at the end, requests go on, and an outage is told from a move."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.kms.clients import Plane
from tenants.errors import NotFound, PlanUnderWay, RegionNotReady
from tenants.models import RegionalKey
from tenants.scope import tenant_scope
from tenants.selectors import TenantView, get_progress, get_tenant, list_regional_keys
from tenants.services.onboarding import RegionRuleInput
from tenants.services.promotion import start_promotion
from tenants.services.region_addition import start_region_addition
from tenants.services.region_removal import start_region_removal
from tenants.services.rules import change_region_rule
from tenants.services.verification import start_verification
from tenants.states import OperationKind, OperationState, PlanKind
from tests.cast import EVERYWHERE, OPERATOR, Cast, let_time_pass, run_due, run_plan
from tests.tenants.app import App
from tests.tenants.aws import arn_of, clients
from tests.tenants.chaos import killed_everywhere
from tests.tenants.outages import kms_down
from tests.tenants.plans import step
from tests.tenants.standing import stands_in, told

US, WEST, EU = EVERYWHERE


@pytest.fixture
def acme(cast: Cast) -> TenantView:
    return cast.acme()


def move(tenant: TenantView, region: str = WEST) -> Any:
    return start_promotion(tenant_id=tenant.id, region=region, actor=OPERATOR)


def rotation(tenant: TenantView, region: str) -> dict[str, Any]:
    kms = clients().kms(region, Plane.ADMIN)
    answer = kms.get_key_rotation_status(KeyId=str(arn_of(tenant, region)))
    return {name: answer.get(name) for name in ("KeyRotationEnabled", "RotationPeriodInDays")}


def test_the_primary_moves_and_everything_follows(acme: TenantView) -> None:
    before = rotation(acme, US)
    assert move(acme)
    assert run_plan(acme).plan == PlanKind.PROMOTION
    stands_in(acme, EVERYWHERE, primary=WEST)
    assert rotation(acme, WEST) == before
    assert told(acme, "primary.moved") == 1


def test_requests_are_served_everywhere_while_it_moves(acme: TenantView) -> None:
    app = App(acme)
    move(acme)
    while not get_progress(acme.id).is_finished:
        for region in EVERYWHERE:
            app.write(region)
        if not run_due(acme):
            let_time_pass(acme)
    for region in EVERYWHERE:
        assert app.reads_all(region) >= 9


def test_it_is_moved_there_and_back_and_what_follows_uses_the_new_home(cast: Cast) -> None:
    acme = cast.onboard("acme", (US, EU), US, {})
    move(acme, EU)
    run_plan(acme)
    start_region_addition(tenant_id=acme.id, rule=RegionRuleInput(WEST), actor=OPERATOR)
    run_plan(acme)
    stands_in(acme, EVERYWHERE, primary=EU)
    start_verification(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme)
    rule = RegionRuleInput(WEST, False, ("pii",))
    change_region_rule(tenant_id=acme.id, rule=rule, actor=OPERATOR)
    run_plan(acme)
    move(acme, US)
    run_plan(acme)
    stands_in(acme, EVERYWHERE, primary=US)


def test_the_old_home_may_be_left_after_the_primary_has_moved(acme: TenantView) -> None:
    move(acme)
    run_plan(acme)
    start_region_removal(tenant_id=acme.id, region=US, waiting_days=7, actor=OPERATOR)
    assert [key.role for key in list_regional_keys(acme.id) if key.region == US] == ["replica"]
    assert get_tenant(acme.slug).home_region == WEST


def test_the_same_again_is_the_same_plan_and_then_no_change(acme: TenantView) -> None:
    assert move(acme, US) is None
    plan = move(acme)
    assert move(acme) == plan
    with pytest.raises(PlanUnderWay):
        move(acme, EU)
    run_plan(acme)
    assert move(acme) is None
    assert told(acme, "primary.move_started") == 1


def test_a_region_that_the_tenant_is_not_in_or_whose_key_is_not_proven_is_refused(
    cast: Cast, acme: TenantView
) -> None:
    with pytest.raises(NotFound):
        move(cast.globex())
    with tenant_scope(acme.id, "write"):
        keys = RegionalKey.objects.filter(tenant_id=acme.id, region=WEST)
        keys.update(verified_at=None)
    with pytest.raises(RegionNotReady):
        move(acme)


def test_while_the_old_region_is_down_the_move_is_refused_and_says_why(acme: TenantView) -> None:
    app = App(acme)
    written = app.write(US)
    move(acme)
    with kms_down(US):
        for _ in range(8):
            run_due(acme)
            let_time_pass(acme)
        failed = step(acme, OperationKind.UPDATE_PRIMARY_REGION)
        assert (failed.state, failed.error["code"]) == (
            OperationState.FAILED,
            "primary_unreachable",
        )
        assert "no remedy for an outage" in failed.error["message"]
        assert app.read(WEST, written)
        app.write(EU)
    stands_in(acme, EVERYWHERE)


def test_when_the_region_is_back_the_move_is_retried(acme: TenantView) -> None:
    from tenants.services.operations import retry_operation

    move(acme)
    with kms_down(US):
        for _ in range(8):
            run_due(acme)
            let_time_pass(acme)
    failed = step(acme, OperationKind.UPDATE_PRIMARY_REGION)
    retry_operation(tenant_id=acme.id, operation_id=failed.id, actor=OPERATOR)
    run_plan(acme)
    stands_in(acme, EVERYWHERE, primary=WEST)


def test_a_key_that_is_not_enabled_stops_the_move(acme: TenantView) -> None:
    kms = clients().kms(US, Plane.ADMIN)
    kms.disable_key(KeyId=str(arn_of(acme, US)))
    move(acme)
    run_due(acme)
    failed = step(acme, OperationKind.UPDATE_PRIMARY_REGION)
    assert (failed.state, failed.error["code"]) == (OperationState.FAILED, "key_unusable")
    kms.enable_key(KeyId=str(arn_of(acme, US)))


def test_a_worker_may_be_killed_at_every_point_of_moving_the_primary(cast: Cast) -> None:
    def start() -> TenantView:
        tenant = cast.acme()
        move(tenant)
        return tenant

    def check(tenant: TenantView) -> None:
        stands_in(tenant, EVERYWHERE, primary=WEST)
        assert told(tenant, "primary.moved") == 1

    points = killed_everywhere(start, check, sample=3)
    assert {point.name for point in points if point.is_change} == {"UpdatePrimaryRegion"}
