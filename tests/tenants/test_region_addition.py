"""Adding a Region: its replica is made and proven, it serves not a moment earlier, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crypto.errors import KeyAccessDenied
from tenants.errors import (
    Conflict,
    InputInvalid,
    PlanUnderWay,
    RegionNotAllowed,
    RegionNotReady,
    TenantNotActive,
)
from tenants.selectors import TenantView, get_caller, get_progress, list_region_rules
from tenants.services.onboarding import RegionRuleInput
from tenants.services.plans import cancel_plan
from tenants.services.region_addition import start_region_addition
from tenants.services.rules import change_region_rule
from tenants.states import OperationKind, OperationState, PlanKind
from tests.callers import token_of
from tests.cast import EVERYWHERE, OPERATOR, Cast, let_time_pass, run_due, run_plan
from tests.tenants.app import App
from tests.tenants.aws import keys_of, policy_of
from tests.tenants.chaos import killed_everywhere
from tests.tenants.plans import Fake, handled_by, raising, step
from tests.tenants.standing import stands_in, told
from tests.tenants.stored import ANN

US, WEST, EU = EVERYWHERE
TWO = (US, EU)


@pytest.fixture
def acme(cast: Cast) -> TenantView:
    """In two Regions; the third is to come."""
    return cast.onboard("acme", TWO, US, {})


def add(tenant: TenantView, region: str = WEST, **rule: Any) -> Any:
    return start_region_addition(
        tenant_id=tenant.id, rule=RegionRuleInput(region, **rule), actor=OPERATOR
    )


def passes(tenant: TenantView) -> Iterator[None]:
    """One pass of the workers at a time, until the plan is done."""
    for _ in range(60):
        progress = get_progress(tenant.id)
        assert not progress.failed, progress
        if progress.is_finished:
            return
        yield
        if not run_due(tenant):
            let_time_pass(tenant)
    raise AssertionError


def test_the_tenant_gets_one_replica_more_and_it_opens_what_the_others_have_sealed(
    acme: TenantView,
) -> None:
    app = App(acme)
    written = app.write(EU)
    assert add(acme)
    assert run_plan(acme).plan == PlanKind.REGION_ADDED
    stands_in(acme, EVERYWHERE)
    assert app.read(WEST, written)["card"] == ANN["card"]
    assert app.read(EU, app.write(WEST))["card"] == ANN["card"]
    assert told(acme, "key.replicated") == 2


def test_while_the_replica_is_made_the_others_serve_and_the_new_region_says_not_yet(
    acme: TenantView,
) -> None:
    """It does not fall back on another Region's key either, though that one's policy may name its role already."""
    app = App(acme)
    with pytest.raises(RegionNotAllowed):
        app.write(WEST)
    add(acme)
    not_yet = 0
    for _ in passes(acme):
        for region in TWO:
            assert app.read(region, app.write(region))["card"] == ANN["card"]
        if step(acme, OperationKind.VERIFY_KEY, WEST).state != OperationState.DONE:
            with pytest.raises(RegionNotReady) as refused:
                app.write(WEST)
            assert refused.value.retryable
            not_yet += 1
    assert not_yet > 4
    app.write(WEST)


def test_no_other_region_counts_on_a_key_that_is_not_proven(acme: TenantView) -> None:
    token = token_of(acme)
    add(acme)
    for _ in passes(acme):
        caller = get_caller(token)
        assert caller.key
        proven = step(acme, OperationKind.VERIFY_KEY, WEST).state == OperationState.DONE
        assert (WEST in caller.key_for(US, "pii").regions) is proven
    assert WEST in get_caller(token).key_for(US, "pii").regions


def test_the_primary_must_allow_the_replica_before_it_is_made(acme: TenantView) -> None:
    add(acme)
    run_due(acme)
    [allow] = [s for s in policy_of(acme, US)["Statement"] if s["Sid"] == "AdminRoleReplicates"]
    assert WEST in allow["Condition"]["StringEquals"]["kms:ReplicaRegion"]
    assert WEST not in keys_of(acme)
    run_plan(acme)


def test_the_same_again_is_the_same_plan_and_then_no_change(acme: TenantView) -> None:
    plan = add(acme)
    assert add(acme) == plan
    run_plan(acme)
    assert add(acme) is None
    assert get_progress(acme.id).plan_id == plan
    assert told(acme, "region.addition_started") == 1


def test_a_region_that_the_tenant_has_with_another_rule_is_a_conflict(acme: TenantView) -> None:
    with pytest.raises(Conflict):
        add(acme, EU, may_encrypt=False)
    with pytest.raises(Conflict):
        add(acme, EU, may_decrypt=("pii",))
    assert add(acme, EU) is None


def test_the_new_region_obeys_its_rule(acme: TenantView) -> None:
    app = App(acme)
    written = app.write(US)
    add(acme, may_encrypt=False, may_decrypt=("pii",))
    run_plan(acme)
    stands_in(acme, EVERYWHERE)
    with pytest.raises(RegionNotAllowed):
        app.write(WEST)
    with pytest.raises(RegionNotAllowed):
        app.read(WEST, written)  # which has parts of other classes too


@pytest.mark.parametrize(
    ("region", "rule"),
    [
        ("mars-north-1", {}),
        (WEST, {"may_decrypt": ("P I I",)}),
        (WEST, {"may_decrypt": ("*", "pii")}),
    ],
)
def test_bad_input_changes_nothing(acme: TenantView, region: str, rule: dict[str, Any]) -> None:
    with pytest.raises(InputInvalid):
        add(acme, region, **rule)
    assert [rule.region for rule in list_region_rules(acme.id)] == sorted(TWO)
    stands_in(acme, TWO)


def test_a_tenant_that_is_not_active_or_has_another_plan_is_refused(
    cast: Cast, acme: TenantView
) -> None:
    initech = cast.start("initech", TWO, US, {})
    with pytest.raises(TenantNotActive):
        add(initech)
    rule = RegionRuleInput(EU, may_decrypt=("pii",))
    change_region_rule(tenant_id=acme.id, rule=rule, actor=OPERATOR)
    with pytest.raises(PlanUnderWay):
        add(acme)


def test_a_plan_that_was_given_up_half_way_is_taken_up_again(acme: TenantView) -> None:
    plan = add(acme)
    run_due(acme)
    with handled_by({OperationKind.REPLICATE_KEY: Fake(does=raising(KeyAccessDenied("no")))}):
        for _ in range(8):
            run_due(acme)
            let_time_pass(acme)
    assert step(acme, OperationKind.REPLICATE_KEY).state == OperationState.FAILED
    assert add(acme) == plan
    cancel_plan(tenant_id=acme.id, plan_id=plan, actor=OPERATOR)
    assert add(acme) not in (None, plan)
    run_plan(acme)
    stands_in(acme, EVERYWHERE)


def test_a_worker_may_be_killed_at_every_point_of_adding_a_region(cast: Cast) -> None:
    def start() -> TenantView:
        tenant = cast.onboard("killed", TWO, US, {})
        add(tenant)
        return tenant

    def check(tenant: TenantView) -> None:
        stands_in(tenant, EVERYWHERE)
        assert told(tenant, "key.replicated") == 2
        assert get_progress(tenant.id).plan == PlanKind.REGION_ADDED

    points = killed_everywhere(start, check, sample=4)
    changed = {point.name for point in points if point.is_change}
    assert {"PutKeyPolicy", "ReplicateKey", "CreateAlias", "PutParameter"} <= changed
