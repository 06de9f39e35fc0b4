"""Offboarding: two people, an export, a waiting period that can be called off, and a certificate of what is gone."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from crypto.errors import KeyNotFound
from crypto.kms.clients import Plane
from tenants.errors import (
    ActorNotAllowed,
    Conflict,
    ExportMissing,
    InputInvalid,
    NotFound,
    OffboardingFinal,
    OffboardingUnderWay,
    TenantNotActive,
)
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.kms.key_directory import KeyDirectory
from tenants.selectors import (
    TenantView,
    get_caller,
    get_progress,
    get_tenant,
    list_audit_events,
)
from tenants.selectors.offboarding import get_certificate, get_offboarding
from tenants.services.access import remove_member
from tenants.services.certificates import CERTIFICATE
from tenants.services.offboarding import approve_offboarding, cancel_offboarding
from tenants.services.operations import retry_operation
from tenants.services.publication import alias_of, parameter_of
from tenants.services.records import read_record
from tenants.services.restoration import restore_tenant
from tenants.services.retirement import count_rows
from tenants.services.revocation import revoke_tenant
from tenants.services.signing import public_keys, verify
from tenants.states import OffboardingState, OperationKind, OperationState, TenantState
from tests.callers import caller_of, token_of
from tests.cast import EVERYWHERE, OPERATOR, Cast, let_time_pass, run_due, run_plan
from tests.tenants.aws import aliases_of, arn_of, clients, keys_of
from tests.tenants.chaos import killed_everywhere
from tests.tenants.endings import DAYS, Leaving, leaving, member, pass_days, run_until
from tests.tenants.plans import row, step

HOME = "us-east-2"
OTHER_OPERATOR = OPERATOR.__class__(kind="operator", id="another")


@pytest.fixture
def acme(cast: Cast) -> Leaving:
    return leaving(cast.acme())


@pytest.fixture
def globex(cast: Cast) -> Leaving:
    """In the Region of this process alone."""
    return leaving(alone(cast))


def alone(cast: Cast) -> TenantView:
    return cast.onboard("globex", (HOME,), HOME, {})


def cancel(tenant: Leaving | TenantView, actor: Any = OPERATOR) -> Any:
    return cancel_offboarding(tenant_id=tenant.id, actor=actor)


def approved(tenant: Leaving) -> Leaving:
    """Exported, requested by one member and approved by another."""
    tenant.export()
    tenant.request(tenant.olga)
    tenant.approve(tenant.ben)
    return tenant


def state_of(tenant: Leaving) -> str:
    return get_tenant(tenant.tenant.slug).state


def find_states(tenant: TenantView) -> dict[str, str]:
    """What KMS says of the key in each Region; "" where there is none."""
    found = {}
    for region in EVERYWHERE:
        try:
            found[region] = KmsKeyAdmin(clients()).describe_key(arn_of(tenant, region)).state
        except (KeyNotFound, StopIteration):
            found[region] = ""
    return found


def finish(tenant: TenantView) -> None:
    run_until(tenant, lambda: get_progress(tenant.id).is_finished, pass_days)


def reads(tenant: Leaving) -> bool:
    found = read_record(
        caller=caller_of(tenant.tenant), collection=tenant.collection, record_id="record-0"
    )
    return found.fields["card"] == "4111"


def test_a_tenant_ends_with_nothing_left_but_a_certificate_that_anybody_can_check(
    acme: Leaving,
) -> None:
    export = acme.export()
    arns = {region: str(arn_of(acme.tenant, region)) for region in EVERYWHERE}
    asked = acme.request(acme.olga)
    assert state_of(acme) == TenantState.ACTIVE
    view = acme.approve(OPERATOR)
    assert (view.state, view.export_digest) == (OffboardingState.APPROVED, export.digest)
    assert state_of(acme) == TenantState.OFFBOARDING
    with pytest.raises(TenantNotActive):
        reads(acme)
    assert view.final_date
    assert view.approved_at
    assert (view.final_date - view.approved_at).days == 2 * DAYS
    finish(acme.tenant)
    assert state_of(acme) == TenantState.RETIRED
    assert keys_of(acme.tenant) == {}
    assert find_states(acme.tenant) == dict.fromkeys(EVERYWHERE, "")
    counts = count_rows(acme.id)
    assert set(counts.values()) == {0}, counts

    signed = get_certificate(acme.id)
    certificate = verify(signed, public_keys())
    assert certificate["type"] == CERTIFICATE
    assert certificate["tenant"]["slug"] == acme.tenant.slug
    assert certificate["decision"]["requested_by"] == f"member:{acme.olga.id}"
    assert certificate["decision"]["approved_by"] == "operator:test"
    assert certificate["decision"]["export_sha256"] == export.digest
    assert {key["region"]: key["arn"] for key in certificate["keys"]} == arns
    for key in certificate["keys"]:
        names = [event["name"] for event in key["kms_events"]]
        assert names[-2:] == ["ScheduleKeyDeletion", "DeleteKey"]
        assert all(event["event_id"] for event in key["kms_events"])
        assert key["kms_events"][-2]["request_id"]
        assert key["scheduled_at"] < key["seen_gone_at"]
    assert certificate["unreadable"] == {
        "records": 2,
        "sealed_parts": 4,
        "search_tokens": 2,
        "data_keys": 3,
        "collections": 1,
    }
    assert asked.id == get_offboarding(acme.id).id
    actions = {event.action for event in list_audit_events(acme.id, before=None, limit=100)}
    assert {
        "offboarding.requested",
        "offboarding.approved",
        "key.deleted",
        "tenant.retired",
    } <= actions
    # Final: neither the one nor the other begins again.
    with pytest.raises(TenantNotActive):
        acme.request(acme.olga)
    with pytest.raises(TenantNotActive):
        cancel(acme)
    with pytest.raises(TenantNotActive):
        revoke_tenant(tenant_id=acme.id, reason="Late.", actor=OPERATOR)


def test_an_api_key_of_a_leaving_tenant_serves_nothing_and_of_a_retired_one_is_unknown(
    globex: Leaving,
) -> None:
    from tenants.errors import CredentialInvalid

    token = token_of(globex.tenant)
    approved(globex)
    with pytest.raises(TenantNotActive):
        get_caller(token).need_active()
    finish(globex.tenant)
    with pytest.raises(CredentialInvalid):
        get_caller(token)


def test_one_person_is_not_two(globex: Leaving) -> None:
    globex.export()
    globex.request(globex.olga)
    with pytest.raises(ActorNotAllowed, match="does not approve"):
        globex.approve(globex.olga)
    disguised = OPERATOR.__class__(kind="operator", id=globex.olga.id)
    with pytest.raises(ActorNotAllowed):
        globex.approve(disguised)
    assert state_of(globex) == TenantState.ACTIVE
    globex.approve(globex.ben)
    # The second person again: nothing more happens. The first one, late: refused all the same.
    assert globex.approve(globex.ben).state == OffboardingState.APPROVED
    with pytest.raises(Conflict):
        globex.approve(globex.olga)


def test_two_operators_are_not_enough(globex: Leaving) -> None:
    globex.export()
    globex.request(OPERATOR)
    with pytest.raises(ActorNotAllowed, match="member of the tenant"):
        globex.approve(OTHER_OPERATOR)
    globex.approve(globex.ben)
    assert state_of(globex) == TenantState.OFFBOARDING


def test_only_owners_and_key_administrators_of_this_tenant_decide(
    cast: Cast, globex: Leaving
) -> None:
    stranger = member(alone(cast), "owner")
    app = OPERATOR.__class__(kind="api_key", id=str(uuid4()))
    for actor in (globex.dev, stranger, app):
        with pytest.raises(ActorNotAllowed):
            globex.request(actor)
    globex.export()
    globex.request(globex.olga)
    for actor in (globex.dev, stranger, app):
        with pytest.raises(ActorNotAllowed):
            globex.approve(actor)
        with pytest.raises(ActorNotAllowed):
            cancel(globex, actor)
    assert get_offboarding(globex.id).state == OffboardingState.REQUESTED


def test_whoever_became_a_member_after_the_request_does_not_approve_it(globex: Leaving) -> None:
    """Else an operator could request, make an account and approve."""
    globex.export()
    globex.request(OPERATOR)
    with pytest.raises(ActorNotAllowed):
        globex.approve(member(globex.tenant, "owner"))


def test_a_request_of_somebody_who_left_counts_no_more(globex: Leaving) -> None:
    from tenants.selectors import list_members

    globex.export()
    globex.request(globex.ben)
    [ben] = [one.id for one in list_members(globex.id) if str(one.user_id) == globex.ben.id]
    remove_member(tenant_id=globex.id, member_id=ben, actor=OPERATOR)
    with pytest.raises(ActorNotAllowed):
        globex.approve(globex.olga)


@pytest.mark.parametrize("days", [0, 6, 31])
def test_the_waiting_period_is_one_that_kms_takes(globex: Leaving, days: int) -> None:
    with pytest.raises(InputInvalid):
        globex.request(globex.olga, days=days)


def test_a_request_is_made_once(globex: Leaving) -> None:
    first = globex.request(globex.olga)
    assert globex.request(globex.olga).id == first.id
    for actor, reason in ((globex.ben, "They leave."), (globex.olga, "Another reason.")):
        with pytest.raises(OffboardingUnderWay):
            globex.request(actor, reason)
    cancel(globex, globex.ben)
    assert globex.request(globex.ben).id != first.id


def test_what_was_cancelled_or_never_asked_for_is_not_approved(globex: Leaving) -> None:
    globex.export()
    asked = globex.request(globex.olga)
    cancel(globex)
    with pytest.raises(Conflict):
        globex.approve(globex.ben)
    # Another request meanwhile: whoever approves the first one does not get the second.
    globex.request(globex.olga, "Something else.", 30)
    with pytest.raises(Conflict):
        approve_offboarding(tenant_id=globex.id, offboarding_id=asked.id, actor=globex.ben)
    with pytest.raises(NotFound):
        approve_offboarding(tenant_id=globex.id, offboarding_id=uuid4(), actor=globex.ben)
    assert state_of(globex) == TenantState.ACTIVE


def test_nothing_is_approved_that_no_export_has(globex: Leaving) -> None:
    globex.request(globex.olga)
    with pytest.raises(ExportMissing):
        globex.approve(globex.ben)
    first = globex.export()
    assert get_offboarding(globex.id).export_digest == first.digest
    globex.write("late")
    with pytest.raises(ExportMissing):
        globex.approve(globex.ben)
    second = globex.export()
    assert second.digest != first.digest
    assert globex.approve(globex.ben).export_digest == second.digest


def test_the_export_can_be_waived_by_whoever_approves(globex: Leaving) -> None:
    globex.export()
    globex.request(globex.olga)
    globex.write("late")
    view = globex.approve(globex.ben, waive=True)
    assert (view.export_waived, view.export_digest) == (True, "")
    finish(globex.tenant)
    decision = get_certificate(globex.id)["document"]["decision"]
    assert (decision["export_waived"], decision["export_sha256"]) == (True, None)


def test_who_stored_nothing_needs_no_export(cast: Cast) -> None:
    empty = leaving(alone(cast), records=0)
    empty.request(empty.olga)
    view = empty.approve(empty.ben)
    assert (view.export_waived, view.export_digest) == (False, "")


def test_a_write_that_was_under_way_at_the_approval_stops_the_end(globex: Leaving) -> None:
    """Its request was let in before; it is in no export. Nothing has been disabled yet, and all comes back."""
    approved(globex)
    globex.write("under-way")
    run_until(globex.tenant, lambda: bool(get_progress(globex.id).failed), let_time_pass)
    failed = step(globex.tenant, OperationKind.CONFIRM_EXPORT)
    assert failed.error["code"] == "export_missing"
    assert find_states(globex.tenant)[HOME] == "Enabled"
    cancel(globex, globex.olga)
    run_plan(globex.tenant)
    assert state_of(globex) == TenantState.ACTIVE
    assert reads(globex)
    globex.export()
    globex.request(globex.olga)
    globex.approve(globex.ben)
    finish(globex.tenant)
    assert state_of(globex) == TenantState.RETIRED


@pytest.mark.parametrize("done", [0, 1, 4, 7])
def test_an_end_is_called_off_during_the_waiting_period(acme: Leaving, done: int) -> None:
    approved(acme)
    run_until(
        acme.tenant,
        lambda: sum(one.state == "done" for one in get_progress(acme.id).operations) >= done,
        let_time_pass,
    )
    cancel(acme, acme.ben)
    assert state_of(acme) == TenantState.REVOKED
    run_plan(acme.tenant)
    assert state_of(acme) == TenantState.ACTIVE
    assert set(find_states(acme.tenant).values()) == {"Enabled"}
    assert reads(acme)
    assert get_offboarding(acme.id).state == OffboardingState.CANCELLED


def test_an_end_is_called_off_while_only_the_primary_is_left(acme: Leaving) -> None:
    """Its replicas are gone: they are made again from it, with the same id, alias and parameter."""
    approved(acme)
    run_until(acme.tenant, lambda: is_waiting_for_primary(acme.tenant), pass_a_day)
    assert find_states(acme.tenant) == {
        "us-east-2": "PendingDeletion",
        "us-west-1": "",
        "eu-west-1": "",
    }
    cancel(acme)
    run_plan(acme.tenant)
    assert state_of(acme) == TenantState.ACTIVE
    assert set(find_states(acme.tenant).values()) == {"Enabled"}
    for region in EVERYWHERE:
        arn = arn_of(acme.tenant, region)
        assert aliases_of(arn) == [alias_of(acme.tenant.slug)]
        found = clients().ssm(region).get_parameter(Name=parameter_of(acme.tenant.slug))
        assert found["Parameter"]["Value"] == str(arn)
    assert reads(acme)


def pass_a_day(tenant: TenantView) -> None:
    pass_days(tenant, 1)


def is_waiting_for_primary(tenant: TenantView) -> bool:
    waits = {
        one.region: one.state
        for one in get_progress(tenant.id).operations
        if one.kind == OperationKind.AWAIT_DELETED
    }
    return waits["us-west-1"] == waits["eu-west-1"] == OperationState.DONE


def test_what_is_destroyed_is_not_called_off(globex: Leaving) -> None:
    approved(globex)
    run_until(
        globex.tenant,
        lambda: step(globex.tenant, OperationKind.AWAIT_DELETED).state == OperationState.DONE,
        pass_days,
    )
    with pytest.raises(OffboardingFinal):
        cancel(globex)
    finish(globex.tenant)
    assert state_of(globex) == TenantState.RETIRED


@pytest.mark.parametrize("when", ["at once", "scheduled", "replicas gone"])
def test_who_was_revoked_before_stays_revoked_when_the_end_is_called_off(
    acme: Leaving, when: str
) -> None:
    acme.export()
    revoke_tenant(tenant_id=acme.id, reason="A leak.", actor=OPERATOR)
    run_plan(acme.tenant)
    acme.request(acme.olga)
    acme.approve(acme.ben)
    if when == "scheduled":
        run_until(
            acme.tenant,
            lambda: "PendingDeletion" in find_states(acme.tenant).values(),
            let_time_pass,
        )
        run_due(acme.tenant)
    elif when == "replicas gone":
        run_until(acme.tenant, lambda: is_waiting_for_primary(acme.tenant), pass_a_day)
    cancel(acme)
    run_until(
        acme.tenant,
        lambda: all(one.state in ("done", "cancelled") for one in get_progress(acme.id).operations),
        let_time_pass,
    )
    assert state_of(acme) == TenantState.REVOKED
    assert "Enabled" not in find_states(acme.tenant).values()
    restore_tenant(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme.tenant)
    assert state_of(acme) == TenantState.ACTIVE
    assert set(find_states(acme.tenant).values()) == {"Enabled"}
    assert reads(acme)


def test_a_revocation_wins_over_an_end_that_is_being_called_off(acme: Leaving) -> None:
    approved(acme)
    run_until(
        acme.tenant, lambda: "PendingDeletion" in find_states(acme.tenant).values(), let_time_pass
    )
    run_due(acme.tenant)
    cancel(acme)
    while "Enabled" not in find_states(acme.tenant).values():
        if not run_due(acme.tenant):
            let_time_pass(acme.tenant)
    revoke_tenant(tenant_id=acme.id, reason="A leak.", actor=OPERATOR)
    run_plan(acme.tenant)
    assert state_of(acme) == TenantState.REVOKED
    assert "Enabled" not in find_states(acme.tenant).values()
    restore_tenant(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme.tenant)
    assert set(find_states(acme.tenant).values()) == {"Enabled"}
    assert reads(acme)


def test_a_deletion_that_somebody_cancels_in_kms_stops_the_end_and_says_so(
    globex: Leaving,
) -> None:
    approved(globex)
    run_until(
        globex.tenant,
        lambda: find_states(globex.tenant)[HOME] == "PendingDeletion",
        let_time_pass,
    )
    kms = clients().kms(HOME, Plane.ADMIN)
    kms.cancel_key_deletion(KeyId=str(arn_of(globex.tenant, HOME)))
    run_until(globex.tenant, lambda: bool(get_progress(globex.id).failed), pass_days)
    assert (
        "outside of the gateway"
        in step(globex.tenant, OperationKind.AWAIT_DELETED).error["message"]
    )
    assert count_rows(globex.id)["record"] == 2
    cancel(globex)
    run_plan(globex.tenant)
    assert reads(globex)


def test_without_a_signing_key_nothing_is_deleted(globex: Leaving, settings: Any) -> None:
    approved(globex)
    before = settings.GATEWAY_SIGNING_KEY
    settings.GATEWAY_SIGNING_KEY = ""
    run_until(globex.tenant, lambda: bool(get_progress(globex.id).failed), pass_days)
    failed = step(globex.tenant, OperationKind.RETIRE_TENANT)
    assert failed.error["code"] == "signing_key_missing"
    assert count_rows(globex.id)["record"] == 2
    settings.GATEWAY_SIGNING_KEY = before
    retry_operation(tenant_id=globex.id, operation_id=failed.id, actor=OPERATOR)
    finish(globex.tenant)
    assert verify(get_certificate(globex.id), public_keys())


def test_rows_are_deleted_in_parts_and_counted_before(
    globex: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenants.services import retirement

    monkeypatch.setattr(retirement, "_BATCH", 1)
    approved(globex)
    run_until(
        globex.tenant,
        lambda: count_rows(globex.id)["record"] == 1,
        pass_days,
    )
    found = row(globex.tenant, step(globex.tenant, OperationKind.RETIRE_TENANT).id)
    assert (found.result["done"], found.result["total"]) == (1, 2)
    with pytest.raises(OffboardingFinal):
        cancel(globex)
    finish(globex.tenant)
    assert get_certificate(globex.id)["document"]["unreadable"]["records"] == 2


def test_two_requests_and_two_approvals_at_once_are_one(globex: Leaving) -> None:
    globex.export()
    made = at_once(lambda: globex.request(globex.olga).id, lambda: globex.request(globex.olga).id)
    assert len(set(made)) == 1
    found = at_once(
        lambda: globex.approve(globex.ben).plan_id,
        lambda: globex.approve(OPERATOR).plan_id,
        lambda: globex.approve(globex.ben).plan_id,
    )
    plans = {one for one in found if not isinstance(one, Exception)}
    assert len(plans) == 1
    assert get_progress(globex.id).plan_id in plans
    assert get_tenant(globex.tenant.slug).key_epoch == globex.tenant.key_epoch + 1


def test_an_approval_and_a_cancellation_at_once_leave_one_state(globex: Leaving) -> None:
    globex.export()
    globex.request(globex.olga)
    at_once(lambda: globex.approve(globex.ben), lambda: cancel(globex, globex.olga))
    assert get_offboarding(globex.id).state == OffboardingState.CANCELLED or (
        state_of(globex) == TenantState.OFFBOARDING
    )
    if state_of(globex) == TenantState.REVOKED:
        run_plan(globex.tenant)
        assert state_of(globex) == TenantState.ACTIVE


def at_once(*asks: Any) -> list[Any]:
    found: list[Any] = []
    start = threading.Barrier(len(asks))

    def ask(what: Any) -> None:
        start.wait()
        try:
            found.append(what())
        except Conflict as refused:
            found.append(refused)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask, args=[what]) for what in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == len(asks)
    return found


def test_a_half_onboarded_tenant_can_end_too(cast: Cast) -> None:
    for steps in (0, 3):
        initech = cast.initech()
        olga, ben = member(initech, "owner"), member(initech, "owner")
        run_until(
            initech,
            lambda initech=initech, steps=steps: get_progress(initech.id).done >= steps,  # type: ignore[misc]
            let_time_pass,
        )
        who = Leaving(initech, None, "", olga, ben, ben)  # type: ignore[arg-type]  # it stores nothing
        who.request(olga)
        who.approve(ben)
        finish(initech)
        assert get_tenant(initech.slug).state == TenantState.RETIRED
        certificate = get_certificate(initech.id)["document"]
        assert len(certificate["keys"]) == (0 if not steps else 3)
        assert keys_of(initech) == {}


@pytest.mark.timeout(900)
def test_a_worker_may_be_killed_anywhere_in_the_end(cast: Cast) -> None:
    def start() -> TenantView:
        two = cast.onboard("acme", ("us-east-2", "eu-west-1"), "us-east-2", {})
        return approved(leaving(two, records=1)).tenant

    def is_gone(tenant: TenantView) -> None:
        assert get_tenant(tenant.slug).state == TenantState.RETIRED
        assert keys_of(tenant) == {}
        certificate = verify(get_certificate(tenant.id), public_keys())
        assert certificate["unreadable"]["records"] == 1
        assert len(certificate["keys"]) == 2
        for region in ("us-east-2", "eu-west-1"):
            name = parameter_of(tenant.slug)
            assert KeyDirectory(clients()).find(region=region, name=name) is None

    points = killed_everywhere(start, is_gone, sample=5, pass_time=pass_days)
    assert {"DisableKey", "ScheduleKeyDeletion", "DeleteParameter"} <= {
        point.name for point in points if point.is_change
    }


@pytest.mark.timeout(900)
def test_a_worker_may_be_killed_anywhere_on_the_way_back(cast: Cast) -> None:
    def start() -> TenantView:
        two = cast.onboard("acme", ("us-east-2", "eu-west-1"), "us-east-2", {})
        leaver = approved(leaving(two, records=1))
        run_until(
            two,
            lambda: step(two, OperationKind.AWAIT_DELETED, "eu-west-1").state == "done",
            pass_a_day,
        )
        cancel(leaver)
        return two

    def is_back(tenant: TenantView) -> None:
        assert get_tenant(tenant.slug).state == TenantState.ACTIVE
        found = keys_of(tenant)
        assert {region: len(arns) for region, arns in found.items()} == {
            "us-east-2": 1,
            "eu-west-1": 1,
        }

    points = killed_everywhere(start, is_back, sample=5)
    assert {"CancelKeyDeletion", "ReplicateKey", "EnableKey"} <= {
        point.name for point in points if point.is_change
    }
