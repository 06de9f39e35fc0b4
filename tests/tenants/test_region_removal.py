"""Removing a Region: it stops at once, nothing becomes unreadable, and the key goes only after its wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from crypto.errors import KeyAccessDenied, KeyUnusable
from tenants.errors import (
    InputInvalid,
    NotFound,
    PlanUnderWay,
    RegionLeaving,
    RegionNotAllowed,
    RegionNotDispensable,
)
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.models import RegionRule
from tenants.scope import tenant_scope
from tenants.selectors import (
    TenantView,
    get_caller,
    get_plan,
    get_progress,
    get_tenant,
    list_audit_events,
    list_region_rules,
    list_regional_keys,
)
from tenants.services import dispensability
from tenants.services.onboarding import RegionRuleInput
from tenants.services.plans import cancel_plan
from tenants.services.region_addition import start_region_addition
from tenants.services.rules import change_region_rule
from tenants.services.verification import start_verification
from tenants.states import OperationKind, OperationState, PlanKind
from tests.cast import (
    EVERYWHERE,
    OPERATOR,
    Cast,
    let_time_pass,
    run_due,
    run_plan,
)
from tests.tenants.app import App
from tests.tenants.aws import arn_of, clients, keys_of, unwrap, wrap
from tests.tenants.chaos import killed_everywhere
from tests.tenants.leaving import (
    EU,
    LEFT,
    US,
    WEST,
    cancel,
    gone_from,
    let_days_pass,
    remove,
    run_due_of,
    run_to,
    run_to_the_end,
    state_in_kms,
)
from tests.tenants.plans import step
from tests.tenants.standing import stands_in, told


@pytest.fixture
def acme(cast: Cast) -> TenantView:
    return cast.acme()


def test_the_key_is_deleted_and_all_that_it_sealed_still_opens_elsewhere(acme: TenantView) -> None:
    app = App(acme)
    for region in (WEST, US, WEST, EU):
        app.write(region)
    remove(acme)
    run_to_the_end(acme)
    gone_from(acme, WEST)
    assert WEST not in keys_of(acme)
    assert app.reads_all(US) == app.reads_all(EU) == 4
    assert app.read(EU, app.write(EU))
    assert told(acme, "region.removed") == 1


def test_the_gateway_stops_serving_at_once(acme: TenantView) -> None:
    app = App(acme)
    written = app.write(WEST)
    remove(acme)
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch + 1
    for refused in (lambda: app.write(WEST), lambda: app.read(WEST, written)):
        with pytest.raises(RegionNotAllowed):
            refused()
    assert app.read(US, written)
    run_to_the_end(acme)


def test_no_request_elsewhere_fails_at_any_moment_of_a_removal(acme: TenantView) -> None:
    app = App(acme)
    app.write(WEST)
    remove(acme)
    for _ in range(60):
        for region in LEFT:
            app.write(region)
            key = get_caller(app.token).key_for(region, "pii")
            assert WEST not in key.regions
        if step(acme, OperationKind.AWAIT_DELETED).state != OperationState.PLANNED:
            break
        if not run_due(acme):
            let_time_pass(acme)
    let_days_pass(acme)
    run_plan(acme)
    assert app.reads_all(US) == app.reads_all(EU)


def test_kms_itself_refuses_the_role_of_the_region_that_was_left(acme: TenantView) -> None:
    wrapped = wrap(acme, "pii", role=US, key=US)
    there = wrap(acme, "pii", role=WEST, key=WEST)
    remove(acme)
    run_to(acme, OperationKind.AWAIT_DELETED)
    for key in LEFT:
        with pytest.raises(KeyAccessDenied):
            unwrap(acme, "pii", wrapped, role=WEST, key=key)
    with pytest.raises(KeyUnusable):
        unwrap(acme, "pii", there, role=WEST, key=WEST)
    assert unwrap(acme, "pii", there, role=US, key=US) == unwrap(
        acme, "pii", there, role=EU, key=EU
    )


def test_the_proof_counts_what_is_stored_and_unwraps_what_the_region_has_wrapped(
    acme: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispensability, "_PARTS_AT_A_TIME", 2)
    app = App(acme)
    for region in (WEST, WEST, US):
        app.write(region)
    remove(acme)
    run_to(acme, OperationKind.WITHDRAW_KEY)
    proofs = {
        event.detail["by"]: event.detail
        for event in list_audit_events(acme.id, before=None, limit=50)
        if event.action == "region.proven_dispensable"
    }
    assert set(proofs) == set(LEFT)
    assert proofs[US]["parts"] == {"pci": 3, "phi": 3, "pii": 3}
    for proof in proofs.values():
        assert proof["opened"] == ["canary"]
        assert {"record pci", "record phi", "record pii", "index pii"} <= {*proof["unwrapped"]}
    [counted] = [
        one
        for one in get_progress(acme.id).operations
        if (one.kind, one.region) == (OperationKind.PROVE_DISPENSABLE, US)
    ]
    assert counted.attempts > 4  # a page each


def test_the_region_of_the_primary_is_not_removed(acme: TenantView) -> None:
    with pytest.raises(RegionNotDispensable, match="move it first"):
        remove(acme, US)
    stands_in(acme, EVERYWHERE)


def test_the_last_region_that_may_encrypt_is_not_removed(cast: Cast) -> None:
    acme = cast.acme(
        us_east_2=RegionRuleInput(US, may_encrypt=False),
        eu_west_1=RegionRuleInput(EU, may_encrypt=False),
    )
    with pytest.raises(RegionNotDispensable, match="may encrypt"):
        remove(acme)


def test_the_only_region_that_opens_what_is_stored_is_not_removed(cast: Cast) -> None:
    acme = cast.acme(
        us_east_2=RegionRuleInput(US, may_decrypt=("pii", "phi")),
        eu_west_1=RegionRuleInput(EU, may_decrypt=("pii",)),
    )
    app = App(acme)
    app.write(WEST)  # which has a part of class `pci`
    with pytest.raises(RegionNotDispensable, match="pci"):
        remove(acme)
    stands_in(acme, EVERYWHERE)
    change_region_rule(
        tenant_id=acme.id,
        rule=RegionRuleInput(US, may_decrypt=("pii", "phi", "pci")),
        actor=OPERATOR,
    )
    run_plan(acme)
    remove(acme)
    run_to_the_end(acme)
    gone_from(acme, WEST)
    assert app.reads_all(US) == 1


def test_what_is_written_there_before_the_proof_stops_the_plan_and_the_key_stays(
    cast: Cast,
) -> None:
    """A request that was under way when the rule went has stored a part that nobody else opens."""
    acme = cast.acme(
        us_east_2=RegionRuleInput(US, may_decrypt=("pii", "phi")),
        eu_west_1=RegionRuleInput(EU, may_decrypt=("pii",)),
    )
    app = App(acme)
    [rule] = [one for one in list_region_rules(acme.id) if one.region == WEST]
    remove(acme)
    with tenant_scope(acme.id, "write"):
        late = RegionRule.objects.create(
            tenant_id=acme.id, region=WEST, may_encrypt=True, may_decrypt=list(rule.may_decrypt)
        )
    written = app.write(WEST)
    with tenant_scope(acme.id, "write"):
        late.delete()
    for _ in range(10):
        run_due(acme)
    failed = [one for one in get_progress(acme.id).operations if one.state == "failed"]
    assert [one.error["code"] for one in failed] == ["region_not_dispensable"]
    assert state_in_kms(acme, WEST) == "Enabled"
    cancel(acme)
    run_plan(acme)
    stands_in(acme, EVERYWHERE)
    assert app.read(WEST, written)


@pytest.mark.parametrize("days", [0, 6, 31])
def test_the_wait_is_a_week_to_a_month(acme: TenantView, days: int) -> None:
    with pytest.raises(InputInvalid):
        remove(acme, days=days)
    stands_in(acme, EVERYWHERE)


def test_a_region_that_the_tenant_is_not_in_is_not_found(cast: Cast) -> None:
    globex = cast.globex()
    for action in (remove, cancel):
        with pytest.raises(NotFound):
            action(globex)


def test_the_same_again_is_the_same_plan(acme: TenantView) -> None:
    plan = remove(acme)
    assert remove(acme) == plan
    run_to(acme, OperationKind.AWAIT_DELETED)
    assert remove(acme, days=30) == plan
    assert told(acme, "region.removal_started") == 1


def test_while_kms_waits_the_date_shows_and_other_plans_run(acme: TenantView) -> None:
    plan = remove(acme)
    with pytest.raises(PlanUnderWay):
        remove(acme, EU)
    run_to(acme, OperationKind.AWAIT_DELETED)
    run_due(acme)
    [key] = [one for one in list_regional_keys(acme.id) if one.region == WEST]
    assert key.key_state == "PendingDeletion"
    assert key.deletion_date
    [waiting] = [one for one in get_progress(acme.id).operations if one.kind == "await_deleted"]
    assert waiting.next_attempt_at
    assert waiting.next_attempt_at > timezone.now() + timedelta(hours=5)
    with pytest.raises(RegionLeaving):
        start_region_addition(tenant_id=acme.id, rule=RegionRuleInput(WEST), actor=OPERATOR)
    change_region_rule(tenant_id=acme.id, rule=RegionRuleInput(EU, False, ("pii",)), actor=OPERATOR)
    assert run_plan(acme).plan == PlanKind.RULE_CHANGE
    start_verification(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme)
    other = remove(acme, EU)
    run_to(acme, OperationKind.AWAIT_DELETED, other)
    run_due(acme)
    let_days_pass(acme)
    for _ in range(8):
        run_due_of(acme, plan, other)
        let_time_pass(acme)
    assert get_plan(acme.id, plan).is_finished
    assert get_plan(acme.id, other).is_finished
    stands_in(acme, [US])


def test_a_deletion_that_somebody_cancels_in_kms_stops_the_plan_and_says_so(
    acme: TenantView,
) -> None:
    remove(acme)
    run_to(acme, OperationKind.AWAIT_DELETED)
    KmsKeyAdmin(clients()).cancel_deletion(arn_of(acme, WEST))
    run_due(acme)
    failed = step(acme, OperationKind.AWAIT_DELETED)
    assert (failed.state, failed.error["code"]) == (OperationState.FAILED, "not_verified")
    assert "outside of the gateway" in failed.error["message"]
    cancel_plan(tenant_id=acme.id, plan_id=get_progress(acme.id).plan_id, actor=OPERATOR)  # type: ignore[arg-type]
    remove(acme)
    run_to_the_end(acme)
    gone_from(acme, WEST)


def test_a_region_is_added_again_after_it_was_removed(acme: TenantView) -> None:
    app = App(acme)
    app.write(WEST)
    remove(acme)
    run_to_the_end(acme)
    start_region_addition(tenant_id=acme.id, rule=RegionRuleInput(WEST), actor=OPERATOR)
    run_plan(acme)
    stands_in(acme, EVERYWHERE)
    app.write(WEST)
    assert app.reads_all(WEST) == 2


def test_a_replica_that_was_never_made_is_removed_without_a_trace(cast: Cast) -> None:
    acme = cast.onboard("acme", LEFT, US, {})
    start_region_addition(tenant_id=acme.id, rule=RegionRuleInput(WEST), actor=OPERATOR)
    run_due(acme)
    cancel_plan(tenant_id=acme.id, plan_id=get_progress(acme.id).plan_id, actor=OPERATOR)  # type: ignore[arg-type]
    remove(acme)
    run_plan(acme)
    gone_from(acme, WEST)


def test_a_worker_may_be_killed_at_every_point_of_removing_a_region(cast: Cast) -> None:
    def start() -> TenantView:
        tenant = cast.onboard("killed", (US, WEST), US, {})
        remove(tenant)
        return tenant

    def check(tenant: TenantView) -> None:
        gone_from(tenant, WEST, left=(US,))
        assert WEST not in keys_of(tenant)
        for action in ("key.withdrawn", "key.deletion_scheduled", "key.deleted", "region.removed"):
            assert told(tenant, action) == 1, action

    def pass_time(tenant: TenantView) -> None:
        if step(tenant, OperationKind.AWAIT_DELETED).state == OperationState.DUE:
            let_days_pass(tenant)
        else:
            let_time_pass(tenant)

    points = killed_everywhere(start, check, sample=5, pass_time=pass_time)
    changed = {point.name for point in points if point.is_change}
    assert {"PutKeyPolicy", "DeleteAlias", "DeleteParameter", "ScheduleKeyDeletion"} <= changed
