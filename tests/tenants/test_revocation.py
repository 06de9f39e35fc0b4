"""Revocation: one action, refused everywhere, proven by KMS, and nothing that was under way undoes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from django.db import connections

from crypto.errors import KeyAccessDenied, KeyUnusable
from tenants.actor import Actor
from tenants.errors import (
    ActorNotAllowed,
    InputInvalid,
    NotFound,
    OperationNotRetryable,
    PlanUnderWay,
    TenantNotActive,
)
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.selectors import TenantView, get_plan, get_progress, get_tenant, list_audit_events
from tenants.selectors.revocation import RegionRefusal, get_revocation_report
from tenants.services import proof
from tenants.services.records import RecordInput, create_record, read_record
from tenants.services.restoration import restore_tenant
from tenants.services.revocation import (
    refresh_revocation,
    revoke_tenant,
    take_over_disabling,
)
from tenants.services.rotation import rotate_key
from tenants.services.serving import get_envelope
from tenants.states import OperationKind, OperationState, PlanKind, TenantState
from tests.callers import caller_of, people
from tests.cast import EVERYWHERE, OPERATOR, Cast, as_region, let_time_pass, run_due, run_plan
from tests.stack import Stack
from tests.tenants.aws import arn_of, clients, unwrap, wrap
from tests.tenants.chaos import killed_everywhere
from tests.tenants.plans import Fake, handled_by, raising, row, run, step

MEMBER = Actor(kind="member", id="0198c0de-0000-7000-8000-000000000001")


@pytest.fixture(autouse=True)
def probes_without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "_ROUND_SECONDS", 0.0)
    monkeypatch.setattr(proof, "_ROUNDS", 4)


def revoke(tenant: TenantView, actor: Actor = OPERATOR) -> Any:
    return revoke_tenant(tenant_id=tenant.id, reason="A key was leaked.", actor=actor)


def restore(tenant: TenantView, actor: Actor = OPERATOR) -> Any:
    return restore_tenant(tenant_id=tenant.id, actor=actor)


def states_of(tenant: TenantView) -> dict[str, str]:
    """What KMS says of the tenant's key, Region by Region."""
    admin = KmsKeyAdmin(clients())
    return {region: admin.describe_key(arn_of(tenant, region)).state for region in EVERYWHERE}


def is_revoked(tenant: TenantView) -> None:
    assert get_tenant(tenant.slug).state == TenantState.REVOKED
    assert set(states_of(tenant).values()) == {"Disabled"}
    report = get_revocation_report(tenant.id)
    assert report.is_proven, report
    assert {region.region for region in report.regions} == set(EVERYWHERE)


def is_restored(tenant: TenantView) -> None:
    assert get_tenant(tenant.slug).state == TenantState.ACTIVE
    assert set(states_of(tenant).values()) == {"Enabled"}
    for region in EVERYWHERE:
        wrapped = wrap(tenant, "pii", role=region, key=region)
        assert unwrap(tenant, "pii", wrapped, role=region, key=region)


def test_a_revoked_tenant_is_refused_in_every_region_by_kms_itself(cast: Cast) -> None:
    acme = cast.acme()
    wrapped = {region: wrap(acme, "pii", role=region, key=region) for region in EVERYWHERE}
    revoke(acme)
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch + 1
    run_plan(acme)
    is_revoked(acme)
    for region in EVERYWHERE:
        with pytest.raises(KeyUnusable):
            unwrap(acme, "pii", wrapped[region], role=region, key=region)
        with pytest.raises(KeyUnusable):
            wrap(acme, "pii", role=region, key=region)
    report = get_revocation_report(acme.id)
    assert (report.reason, report.revoked_by) == ("A key was leaked.", "operator:test")
    for found in report.regions:
        assert found.disabled_at
        assert found.refused_at
        assert found.reader_at
        assert found.trail_read_at
        assert found.last_decrypt_at  # the onboarding's canary, or our own above
        assert {name.split()[0] for name in found.refused} == {"GenerateDataKey", "Decrypt"}
        assert set(found.refused.values()) == {"key_unusable"}
    actions = [event.action for event in list_audit_events(acme.id, before=None, limit=100)]
    assert actions.count("tenant.revoked") == 1
    assert actions.count("key.disabled") == actions.count("key.revocation_proven") == 3


def test_a_restored_tenant_is_as_before(cast: Cast) -> None:
    acme = cast.acme()
    caller = caller_of(acme)
    collection = people(caller)
    record = RecordInput("ann", {"name": "Ann", "card": "4111"})
    create_record(caller=caller, collection=collection, record=record)
    revoke(acme)
    run_plan(acme)
    plan = restore(acme)
    assert restore(acme) == plan
    run_plan(acme)
    is_restored(acme)
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch + 2
    found = read_record(caller=caller_of(acme), collection=collection, record_id="ann")
    assert found.fields["card"] == "4111"
    assert get_revocation_report(acme.id).is_revoked is False
    with pytest.raises(TenantNotActive):
        restore(acme)


def test_revoked_twice_is_revoked_once(cast: Cast) -> None:
    acme = cast.acme()
    plan = revoke(acme)
    assert revoke(acme) == plan
    run_plan(acme)
    assert revoke(acme) == plan
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch + 1


def test_twenty_revocations_at_once_are_one(cast: Cast) -> None:
    acme = cast.acme()
    plans: list[Any] = []

    def ask() -> None:
        try:
            plans.append(revoke(acme))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(plans) == 20
    assert len(set(plans)) == 1
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch + 1
    run_plan(acme)
    is_revoked(acme)


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 501])
def test_a_reason_is_needed(cast: Cast, reason: str) -> None:
    tenant = cast.initech()
    with pytest.raises(InputInvalid):
        revoke_tenant(tenant_id=tenant.id, reason=reason, actor=OPERATOR)
    assert get_tenant(tenant.slug).state == TenantState.ONBOARDING


def test_who_was_never_revoked_has_no_report_and_cannot_be_restored(cast: Cast) -> None:
    globex = cast.globex()
    with pytest.raises(NotFound):
        get_revocation_report(globex.id)
    with pytest.raises(TenantNotActive):
        restore(globex)
    with pytest.raises(TenantNotActive):
        refresh_revocation(tenant_id=globex.id, actor=OPERATOR)


@contextmanager
def kms_down(stack: Stack, region: str) -> Iterator[None]:
    place = f"{stack.kms_admin}/regions/{region}"
    httpx2.post(place, json={"mode": "down"}).raise_for_status()
    try:
        yield
    finally:
        httpx2.post(place, json={"mode": "up"}).raise_for_status()


def test_no_region_waits_for_one_whose_kms_is_down(stack: Stack, cast: Cast) -> None:
    acme = cast.acme()
    with kms_down(stack, "us-west-1"):
        revoke(acme)
        for _ in range(4):
            run_due(acme)
            let_time_pass(acme)
        report = {region.region: region for region in get_revocation_report(acme.id).regions}
        assert report["us-east-2"].state == report["eu-west-1"].state == RegionRefusal.PROVEN
        assert report["us-west-1"].state == RegionRefusal.PLANNED
        assert report["us-west-1"].error["code"] == "key_unavailable"
        assert get_revocation_report(acme.id).is_proven is False
    run_plan(acme)
    is_revoked(acme)


def test_another_region_disables_the_key_where_no_worker_comes_for_it(cast: Cast) -> None:
    acme = cast.acme()
    revoke(acme)
    there = step(acme, OperationKind.DISABLE_KEY, "eu-west-1")
    take_over_disabling(region="us-west-1")
    assert row(acme, there.id).run_region == "eu-west-1"  # its worker has had no time yet
    let_time_pass(acme)
    assert take_over_disabling(region="us-west-1") >= 2
    assert row(acme, there.id).run_region == "us-west-1"
    with as_region("us-west-1"):
        assert run(acme, there).state == OperationState.DONE
    assert states_of(acme)["eu-west-1"] == "Disabled"
    # What its own role may do, only its own worker can prove.
    assert step(acme, OperationKind.PROVE_REVOKED, "eu-west-1").run_region == "eu-west-1"
    run_plan(acme)
    is_revoked(acme)


def test_what_a_worker_holds_is_not_taken_over(cast: Cast) -> None:
    acme = cast.acme()
    revoke(acme)
    there = step(acme, OperationKind.DISABLE_KEY, "eu-west-1")
    with (
        handled_by({OperationKind.DISABLE_KEY: Fake(does=raising(KeyboardInterrupt()))}),
        as_region("eu-west-1"),
        pytest.raises(KeyboardInterrupt),
    ):
        run(acme, there)
    take_over_disabling(region="us-west-1")
    assert row(acme, there.id).run_region == "eu-west-1"


def test_a_refusal_to_disable_stops_that_region_and_asking_again_tries_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = cast.acme()
    plan = revoke(acme)
    refused = Fake(does=raising(KeyAccessDenied("kms:DisableKey in eu-west-1 was refused.")))
    with handled_by({OperationKind.DISABLE_KEY: refused}):
        for _ in range(12):
            if not run_due(acme):
                let_time_pass(acme)
    report = get_revocation_report(acme.id)
    assert {region.state for region in report.regions} == {RegionRefusal.FAILED}
    assert report.regions[0].error["code"] == "key_access_denied"
    assert revoke(acme) == plan
    run_plan(acme)
    is_revoked(acme)


def test_a_revocation_ends_a_restoration_wherever_that_is(cast: Cast) -> None:
    whole = cast.acme()
    revoke(whole)
    run_plan(whole)
    restore(whole)
    steps = get_progress(whole.id).total
    run_plan(whole)
    for done in range(0, steps, 3):
        acme = cast.acme()
        revoke(acme)
        run_plan(acme)
        restore(acme)
        while get_progress(acme.id).done < done:
            if not run_due(acme):
                let_time_pass(acme)
        revoke(acme)
        assert get_progress(acme.id).plan == PlanKind.REVOCATION
        run_plan(acme)
        is_revoked(acme)


def test_a_late_call_that_enables_the_key_is_undone(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restoration's worker hangs in EnableKey; the tenant is revoked and its key disabled; then the call arrives."""
    acme = cast.acme()
    revoke(acme)
    run_plan(acme)
    restore(acme)
    enable = KmsKeyAdmin.enable_key

    def revoked_meanwhile(self: KmsKeyAdmin, arn: Any) -> None:
        monkeypatch.setattr(KmsKeyAdmin, "enable_key", enable)
        revoke(acme)
        with as_region(arn.region):
            run(acme, step(acme, OperationKind.DISABLE_KEY, arn.region))
        enable(self, arn)

    monkeypatch.setattr(KmsKeyAdmin, "enable_key", revoked_meanwhile)
    first = step(acme, OperationKind.ENABLE_KEY, "us-east-2")
    with as_region("us-east-2"):
        run_operation_of(acme, first.id)
    assert states_of(acme)["us-east-2"] == "Enabled"
    # Nor is the proof given before any other call that was under way must have arrived.
    arguments = row(acme, step(acme, OperationKind.PROVE_REVOKED, "us-east-2").id).arguments
    assert arguments["settled_at"]
    skip_settling(acme)
    run_plan(acme)
    is_revoked(acme)


def run_operation_of(tenant: TenantView, operation_id: Any) -> None:
    from tenants.services.operations import run_operation

    run_operation(tenant_id=tenant.id, operation_id=operation_id)


def skip_settling(tenant: TenantView) -> None:
    """As if the leases of that time were over."""
    with tenant_scope(tenant.id, "write"):
        for one in KeyOperation.objects.filter(plan=PlanKind.REVOCATION):
            if one.arguments.get("settled_at"):
                until = datetime.fromisoformat(one.arguments["settled_at"])
                one.arguments["settled_at"] = (until - timedelta(minutes=5)).isoformat()
                one.save(update_fields=["arguments"])


def test_nothing_is_proven_while_a_call_may_still_arrive(cast: Cast) -> None:
    acme = cast.acme()
    revoke(acme)
    run_plan(acme)
    restore(acme)
    held = step(acme, OperationKind.ENABLE_KEY, "eu-west-1")
    with tenant_scope(acme.id, "write"):
        later = datetime.now().astimezone() + timedelta(seconds=30)
        KeyOperation.objects.filter(id=held.id).update(
            state=OperationState.RUNNING, next_attempt_at=later
        )
    revoke(acme)
    for _ in range(3):
        run_due(acme)
        let_time_pass(acme)
    states = {region.region: region.state for region in get_revocation_report(acme.id).regions}
    assert states == {
        "us-east-2": RegionRefusal.PROVEN,
        "us-west-1": RegionRefusal.PROVEN,
        "eu-west-1": RegionRefusal.DISABLED,
    }
    skip_settling(acme)
    run_plan(acme)
    is_revoked(acme)


def test_a_restoration_takes_over_from_a_revocation_that_does_not_end(
    stack: Stack, cast: Cast
) -> None:
    acme = cast.acme()
    with kms_down(stack, "us-west-1"):
        revoke(acme)
        for _ in range(2):
            run_due(acme)
            let_time_pass(acme)
        revocation = get_progress(acme.id).plan_id
        assert revocation
        restore(acme)
        assert get_plan(acme.id, revocation).cancelled == 2
    run_plan(acme)
    is_restored(acme)


def test_a_restoration_waits_for_whoever_is_disabling_a_key(cast: Cast) -> None:
    acme = cast.acme()
    revoke(acme)
    held = step(acme, OperationKind.DISABLE_KEY, "eu-west-1")
    with (
        handled_by({OperationKind.DISABLE_KEY: Fake(does=raising(KeyboardInterrupt()))}),
        as_region("eu-west-1"),
        pytest.raises(KeyboardInterrupt),
    ):
        run(acme, held)
    with pytest.raises(PlanUnderWay):
        restore(acme)
    let_time_pass(acme)  # the lease is over: that worker's call has ended long ago
    restore(acme)
    run_plan(acme)
    is_restored(acme)


def test_whom_an_operator_revoked_only_an_operator_restores(cast: Cast) -> None:
    acme = cast.acme()
    revoke(acme)
    run_plan(acme)
    with pytest.raises(ActorNotAllowed):
        restore(acme, MEMBER)
    restore(acme)
    run_plan(acme)
    revoke(acme, MEMBER)
    run_plan(acme)
    restore(acme, MEMBER)
    run_plan(acme)
    is_restored(acme)


def test_a_tenant_that_is_revoked_while_it_is_onboarded_goes_on_where_it_was(cast: Cast) -> None:
    initech = cast.initech()
    while get_progress(initech.id).done < 4:
        if not run_due(initech):
            let_time_pass(initech)
    onboarding = get_progress(initech.id).plan_id
    assert onboarding
    revoke(initech)
    skip_settling(initech)
    assert get_plan(initech.id, onboarding).paused
    run_plan(initech)
    assert get_tenant(initech.slug).state == TenantState.REVOKED
    assert "Enabled" not in states_of(initech).values()
    restore(initech)
    run_plan(initech)
    assert get_tenant(initech.slug).state == TenantState.ONBOARDING
    finish(initech, onboarding)
    assert get_tenant(initech.slug).state == TenantState.ACTIVE
    is_restored(initech)


def test_a_tenant_without_any_key_is_revoked_too(cast: Cast) -> None:
    initech = cast.initech()
    onboarding = get_progress(initech.id).plan_id
    assert onboarding
    revoke(initech)
    run_plan(initech)
    restore(initech)
    run_plan(initech)
    finish(initech, onboarding)
    is_restored(initech)


def finish(tenant: TenantView, plan: Any) -> None:
    """Run an older plan to its end."""
    for _ in range(60):
        if get_plan(tenant.id, plan).is_finished:
            return
        with tenant_scope(tenant.id, "latest"):
            due = list(
                KeyOperation.objects.filter(
                    plan_id=plan, state__in=[OperationState.DUE, OperationState.RUNNING]
                )
            )
        for one in due:
            with as_region(one.run_region):
                run_operation_of(tenant, one.id)
        let_time_pass(tenant)
    raise AssertionError(get_plan(tenant.id, plan))


def test_a_rotation_pauses_and_goes_on(cast: Cast) -> None:
    acme = cast.acme()
    rotation = rotate_key(tenant_id=acme.id, actor=OPERATOR)
    run_due(acme)
    revoke(acme)
    skip_settling(acme)
    paused = get_plan(acme.id, rotation)
    assert (paused.paused, paused.is_finished) == (1, False)
    run_plan(acme)
    is_revoked(acme)
    assert get_plan(acme.id, rotation).paused == 1
    restore(acme)
    run_plan(acme)
    is_restored(acme)
    finish(acme, rotation)


def test_a_failed_step_of_another_plan_cannot_be_retried_meanwhile(cast: Cast) -> None:
    from tenants.services.operations import retry_operation

    initech = cast.initech()
    first = step(initech, OperationKind.CREATE_PRIMARY_KEY)
    with handled_by({first.kind: Fake(does=raising(KeyUnusable("No.")))}):  # type: ignore[dict-item]
        assert run(initech, first).state == OperationState.FAILED
    revoke(initech)
    with pytest.raises(OperationNotRetryable):
        retry_operation(tenant_id=initech.id, operation_id=first.id, actor=OPERATOR)


def test_the_report_says_when_the_trail_cannot_be_read_and_is_refreshed(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenants.kms.trail import Trail

    def refused(*_: Any, **__: Any) -> None:
        raise KeyAccessDenied("cloudtrail:LookupEvents was refused.")

    acme = cast.acme()
    with monkeypatch.context() as patch:
        patch.setattr(Trail, "find_last_decrypt", refused)
        plan = revoke(acme)
        run_plan(acme)
    report = get_revocation_report(acme.id)
    assert report.is_proven
    assert {region.trail_error for region in report.regions} == {"key_access_denied"}
    assert refresh_revocation(tenant_id=acme.id, actor=OPERATOR) != plan
    run_plan(acme)
    again = get_revocation_report(acme.id)
    assert again.plan_id == plan
    assert {region.trail_error for region in again.regions} == {""}
    assert [region.refused_at for region in again.regions] == [
        region.refused_at for region in report.regions
    ]
    assert all(region.last_decrypt_at for region in again.regions)
    assert revoke(acme) == plan


def test_a_region_whose_reader_does_not_show_it_yet_is_not_proven(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = cast.acme()
    with monkeypatch.context() as patch:
        patch.setattr(proof, "gateways_refuse", lambda work: work.region != "us-west-1")
        revoke(acme)
        for _ in range(3):
            run_due(acme)
            let_time_pass(acme)
        states = {one.region: one.state for one in get_revocation_report(acme.id).regions}
        assert states["us-west-1"] == RegionRefusal.DISABLED
        assert states["eu-west-1"] == RegionRefusal.PROVEN
    run_plan(acme)
    is_revoked(acme)


def test_no_plaintext_data_key_outlives_the_next_request(cast: Cast) -> None:
    """The request is refused before it asks for a key, and the cache is emptied all the same."""
    from gateway.api.authentication import TenantAppAuthentication
    from tests.callers import token_of

    acme = cast.acme()
    token = token_of(acme)
    caller = caller_of(acme)
    collection = people(caller)
    create_record(
        caller=caller, collection=collection, record=RecordInput("ann", {"name": "A", "card": "1"})
    )
    cache = get_envelope()._materials.cache
    assert len(cache) > 0
    held = len(cache._shelves[acme.id.hex].lines)
    assert held
    revoke(acme)

    class Request:
        headers = {"Authorization": f"Bearer {token}"}

    found, _ = TenantAppAuthentication().authenticate(Request())  # type: ignore[arg-type]
    assert found.state == TenantState.REVOKED
    assert not cache._shelves[acme.id.hex].lines
    with pytest.raises(TenantNotActive):
        read_record(caller=found, collection=collection, record_id="ann")
    # A request that is under way since before asks KMS, and what it gets is not kept.
    read_record(caller=caller, collection=collection, record_id="ann")
    assert not cache._shelves[acme.id.hex].lines
    run_plan(acme)
    with pytest.raises(KeyUnusable):
        read_record(caller=caller, collection=collection, record_id="ann")


def test_an_idle_tenant_of_a_process_is_forgotten_in_process_too(cast: Cast) -> None:
    """Encrypted fields ask the registry every few seconds, and empty their caches when it says REVOKED."""
    from tenants.fields.generations import Generations, cache_seconds, new_envelope
    from tenants.fields.keys import FieldKeys, Plaintext
    from tenants.selectors.in_process import get_in_process_caller

    acme = cast.acme()
    generations = Generations(new_envelope, cache_seconds)
    keys = FieldKeys(generations, get_in_process_caller)
    keys.seal(Plaintext(b"x"), acme.id, "pii")
    [envelope] = generations.live()
    assert len(envelope._materials.cache)
    revoke(acme)
    keys._callers.forget()
    with pytest.raises(TenantNotActive):
        keys.seal(Plaintext(b"x"), acme.id, "pii")
    assert not len(envelope._materials.cache)


START: dict[str, Callable[[Cast], TenantView]] = {}


def starting(name: str) -> Callable[[Callable[[Cast], TenantView]], None]:
    def keep(start: Callable[[Cast], TenantView]) -> None:
        START[name] = start

    return keep


@starting("revocation")
def _(cast: Cast) -> TenantView:
    acme = cast.acme()
    revoke(acme)
    return acme


@starting("restoration")
def _(cast: Cast) -> TenantView:
    acme = cast.acme()
    revoke(acme)
    run_plan(acme)
    restore(acme)
    return acme


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "check"), [("revocation", is_revoked), ("restoration", is_restored)]
)
def test_a_worker_may_be_killed_anywhere(
    cast: Cast, name: str, check: Callable[[TenantView], None]
) -> None:
    points = killed_everywhere(lambda: START[name](cast), check, sample=4)
    changes = {point.name for point in points if point.is_change}
    assert {"DisableKey" if name == "revocation" else "EnableKey"} <= changes
