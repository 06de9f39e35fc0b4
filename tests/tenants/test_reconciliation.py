"""Drift is noticed, told once, never taken for what a plan is doing, and repaired where that takes nothing away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.db.models.functions import Now
from django.test import override_settings

from crypto.errors import CredentialsRefused, KeyUnavailable
from crypto.kms.clients import Plane
from tenants.errors import KeyShared, NotFound, PlanUnderWay, TenantNotActive
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.models import RegionalKey, Tenant, TenantKey
from tenants.scope import fleet_scope, tenant_scope
from tenants.selectors import (
    TenantView,
    get_progress,
    list_audit_events,
    list_regional_keys,
)
from tenants.selectors.drift import DriftView, list_drift
from tenants.services.onboarding import RegionRuleInput
from tenants.services.plans import cancel_plan
from tenants.services.publication import alias_of, parameter_of
from tenants.services.reconciliation import check_key, checks, reconcile, start_repair, truth
from tenants.services.rotation import set_rotation
from tenants.services.rules import change_region_rule
from tenants.services.verification import start_verification
from tenants.states import KeyTier, OperationKind, PlanKind, TenantState
from tests.cast import EVERYWHERE, OPERATOR, Cast, as_region, let_time_pass, run_due, run_plan
from tests.tenants.aws import aliases_of, arn_of, clients, parameter, policy_of
from tests.tenants.chaos import killed_everywhere
from tests.tenants.outsider import outsider
from tests.tenants.plans import row, step

US, WEST, EU = EVERYWHERE
BACKDOOR = {
    "Sid": "Backdoor",
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": "kms:Decrypt",
    "Resource": "*",
}


@pytest.fixture
def acme(cast: Cast) -> TenantView:
    return cast.acme()


def kms(region: str) -> Any:
    return clients().kms(region, Plane.ADMIN)


def change_policy(
    tenant: TenantView, region: str, edit: Callable[[list[dict[str, Any]]], Any]
) -> None:
    document = policy_of(tenant, region)
    edit(document["Statement"])
    KmsKeyAdmin(clients()).put_key_policy(arn=arn_of(tenant, region), policy=json.dumps(document))


def check(tenant: TenantView, region: str) -> dict[str, DriftView]:
    """Compare as that Region's worker does; what drifts, as it stands in the table."""
    with as_region(region):
        check_key(tenant_id=tenant.id, region=region)
    return drift_of(tenant, region)


def drift_of(tenant: TenantView, region: str) -> dict[str, DriftView]:
    [key] = [one for one in list_drift(tenant.id) if one.region == region]
    return {one.what: one for one in key.drift}


def told(tenant: TenantView, *actions: str) -> list[dict[str, Any]]:
    """The details of those events, newest first."""
    events = list_audit_events(tenant.id, before=None, limit=200)
    return [dict(one.detail) for one in events if one.action in actions]


def other_key(region: str) -> str:
    """A key of somebody else's, which lets our admin role lead aliases to it."""
    people = {
        "AWS": [
            f"arn:aws:iam::111122223333:{who}"
            for who in ("role/mrk-gateway-admin", "user/outsider")
        ]
    }
    statement = {"Effect": "Allow", "Principal": people, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = outsider(region).create_key(Policy=policy, MultiRegion=True)
    return str(made["KeyMetadata"]["Arn"])


def test_a_key_as_it_should_be_does_not_drift_in_any_region(acme: TenantView) -> None:
    for region in EVERYWHERE:
        assert check(acme, region) == {}
    assert all(key.checked_at for key in list_drift(acme.id))
    assert told(acme, "key.drift_found", "key.drift_gone") == []


Break = Callable[[TenantView], Any]


def disable(tenant: TenantView) -> None:
    kms(EU).disable_key(KeyId=str(arn_of(tenant, EU)))


def point_alias_elsewhere(tenant: TenantView) -> None:
    kms(EU).update_alias(AliasName=alias_of(tenant.slug), TargetKeyId=other_key(EU))


def put_parameter(value: str) -> Break:
    def put(tenant: TenantView) -> None:
        clients().ssm(EU).put_parameter(
            Name=parameter_of(tenant.slug), Value=value, Type="String", Overwrite=True
        )

    return put


def tag(name: str, value: str) -> Break:
    return lambda tenant: kms(EU).tag_resource(
        KeyId=str(arn_of(tenant, EU)), Tags=[{"TagKey": name, "TagValue": value}]
    )


def untag(name: str) -> Break:
    return lambda tenant: kms(EU).untag_resource(KeyId=str(arn_of(tenant, EU)), TagKeys=[name])


def drop(sid: str) -> Break:
    return lambda tenant: change_policy(
        tenant, EU, lambda all_: all_.__setitem__(slice(None), [s for s in all_ if s["Sid"] != sid])
    )


class Case(NamedTuple):
    """What was done in eu-west-1; what drifts, how severe it is, whether a machine may repair it, what is found."""

    broken: Break
    what: str
    severity: str
    repairable: bool
    found: str


def with_statement(**changed: str) -> Break:
    return lambda tenant: change_policy(tenant, EU, lambda all_: all_.append(BACKDOOR | changed))


BROKEN: list[Case] = [
    Case(disable, "state", "critical", False, "Disabled"),
    Case(with_statement(), "policy", "critical", True, "Backdoor"),
    Case(with_statement(Effect="Deny"), "policy", "high", False, "Backdoor"),
    Case(drop("NobodyReplicatesElsewhere"), "policy", "critical", True, "is missing"),
    Case(drop("AuditRoleReads"), "policy", "high", False, "AuditRoleReads is missing"),
    Case(lambda t: kms(EU).delete_alias(AliasName=alias_of(t.slug)), "alias", "high", True, "none"),
    Case(point_alias_elsewhere, "alias", "high", True, "arn:aws:kms:eu-west-1:111122223333:key/mrk-"),
    Case(untag("mrk-gateway:environment"), "tags", "low", True, "mrk-gateway:environment=none"),
    Case(tag("mrk-gateway:tenant-id", "0" * 32), "tags", "high", True, "0" * 32),
    Case(put_parameter("arn:aws:kms:eu-west-1:111122223333:key/mrk-" + "0" * 32), "parameter", "high", True, "mrk-000"),
    Case(put_parameter("nonsense"), "parameter", "high", True, "nonsense"),
    Case(lambda t: clients().ssm(EU).delete_parameter(Name=parameter_of(t.slug)), "parameter", "high", True, "none"),
]  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_was_changed_by_hand_is_noticed_and_told_once(acme: TenantView, case: Case) -> None:
    case.broken(acme)
    drift = check(acme, EU)
    assert [*drift] == [case.what]
    found = drift[case.what]
    assert (found.severity, found.repairable) == (case.severity, case.repairable)
    assert case.found in found.found
    assert found.desired
    assert check(acme, EU) == drift
    [event] = told(acme, "key.drift_found")
    assert event == {"region": EU, "what": [case.what], "severity": {case.what: case.severity}}
    assert check(acme, US) == {}


@pytest.mark.parametrize("case", BROKEN)
def test_a_machine_repairs_what_takes_nothing_away_and_leaves_the_rest_to_a_person(
    acme: TenantView, case: Case
) -> None:
    case.broken(acme)
    with override_settings(GATEWAY_REPAIR_DRIFT="safe"), only(acme), as_region(EU):
        assert reconcile(region=EU) == 1
    if not case.repairable:
        assert get_progress(acme.id).plan == PlanKind.ONBOARDING
        assert [*drift_of(acme, EU)] == [case.what]
        return
    plan = run_plan(acme)
    assert plan.plan == PlanKind.REPAIR
    assert {one.region for one in plan.operations if one.kind == OperationKind.REPAIR_KEY} == {EU}
    assert drift_of(acme, EU) == {}
    assert check(acme, EU) == {}
    assert [event["what"] for event in told(acme, "key.drift_gone")] == [[case.what]]
    assert [event["what"] for event in told(acme, "key.repaired")] == [[case.what]]


def test_nothing_is_repaired_unless_the_deployment_says_so(acme: TenantView) -> None:
    kms(EU).delete_alias(AliasName=alias_of(acme.slug))
    with only(acme), as_region(EU):
        reconcile(region=EU)
    assert get_progress(acme.id).plan == PlanKind.ONBOARDING


def test_what_a_machine_may_repair_waits_beside_what_it_may_not(acme: TenantView) -> None:
    """Else the proof at the end of the repair would fail, and its plan stand in the way of a person's."""
    disable(acme)
    kms(EU).delete_alias(AliasName=alias_of(acme.slug))
    with override_settings(GATEWAY_REPAIR_DRIFT="safe"), only(acme), as_region(EU):
        reconcile(region=EU)
    assert get_progress(acme.id).plan == PlanKind.ONBOARDING
    assert {*drift_of(acme, EU)} == {"state", "alias"}


def test_rotation_that_was_turned_off_or_changed_is_noticed_at_the_primary(
    acme: TenantView,
) -> None:
    arn = str(arn_of(acme, US))
    kms(US).disable_key_rotation(KeyId=arn)
    found = check(acme, US)["rotation"]
    assert (found.desired, found.found, found.severity) == (
        "each 365 days",
        "not by itself",
        "high",
    )
    assert check(acme, EU) == {}
    kms(US).enable_key_rotation(KeyId=arn, RotationPeriodInDays=2000)
    assert check(acme, US)["rotation"].found == "each 2000 days"
    start_repair(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme)
    assert kms(US).get_key_rotation_status(KeyId=arn)["RotationPeriodInDays"] == 365


def test_the_difference_of_a_key_policy_is_kept_statement_by_statement(acme: TenantView) -> None:
    def widen(statements: list[dict[str, Any]]) -> None:
        audit = next(one for one in statements if one["Sid"] == "AuditRoleReads")
        audit["Action"] = [*audit["Action"], "kms:Decrypt"]

    change_policy(acme, EU, widen)
    [statement] = check(acme, EU)["policy"].statements
    assert statement["sid"] == "AuditRoleReads"
    assert statement["change"] == "changed"
    assert statement["elements"] == [
        {"element": "Action", "missing": [], "surplus": ["kms:Decrypt"]}
    ]
    assert (statement["allows_more"], statement["allows_less"]) == (True, False)
    assert not next(key for key in list_regional_keys(acme.id) if key.region == EU).policy_in_force


def test_a_key_that_waits_for_its_deletion_says_until_when(acme: TenantView) -> None:
    kms(EU).schedule_key_deletion(KeyId=str(arn_of(acme, EU)), PendingWindowInDays=7)
    assert check(acme, EU)["state"].found.startswith("PendingDeletion, deleted on 2")


def test_a_key_that_is_gone_is_said_to_be_and_stops_nothing(acme: TenantView) -> None:
    gone = f"arn:aws:kms:{EU}:111122223333:key/mrk-{'0' * 32}"
    with tenant_scope(acme.id, "write"):
        RegionalKey.objects.filter(tenant_id=acme.id, region=EU).update(arn=gone)
    drift = check(acme, EU)
    assert {*drift} == {"key", "parameter"}
    assert (drift["key"].severity, drift["key"].found) == ("critical", "none")


def test_a_primary_that_was_moved_by_hand_is_noticed_and_left_alone(acme: TenantView) -> None:
    kms(US).update_primary_region(KeyId=str(arn_of(acme, US)), PrimaryRegion=EU)
    let_time_pass(acme)
    assert check(acme, EU)["role"].found == "primary in eu-west-1"
    assert not check(acme, EU)["role"].repairable


def test_a_replica_that_nobody_planned_is_noticed_at_the_primary(cast: Cast) -> None:
    globex = cast.globex()

    def allow(statements: list[dict[str, Any]]) -> None:
        for one in statements:
            for pairs in one.get("Condition", {}).values():
                if "kms:ReplicaRegion" in pairs:
                    pairs["kms:ReplicaRegion"] = [EU, US]

    change_policy(globex, EU, allow)
    tags = {"mrk-gateway:environment": "sandbox", "mrk-gateway:tenant-id": globex.id.hex}
    kms(EU).replicate_key(
        KeyId=str(arn_of(globex, EU)),
        ReplicaRegion=US,
        Policy=json.dumps(policy_of(globex, EU)),
        Tags=[{"TagKey": name, "TagValue": value} for name, value in tags.items()],
    )
    drift = check(globex, EU)
    assert {*drift} == {"policy", "replicas"}
    assert (drift["replicas"].severity, drift["replicas"].found) == (
        "critical",
        "eu-west-1, us-east-2",
    )


def test_a_policy_that_shuts_us_out_is_a_finding_and_no_failure(acme: TenantView) -> None:
    """Only the root user can put this right: the statement that lets it do so is why that is there."""

    def shut_out(statements: list[dict[str, Any]]) -> None:
        for one in statements:
            if one["Sid"] == "AdminRoleManagesAndCannotUse":
                one["Action"] = (
                    "kms:PutKeyPolicy"  # KMS lets nobody put a policy that they could not change
                )

    change_policy(acme, EU, shut_out)
    drift = check(acme, EU)
    assert "kms:GetKeyPolicy" in drift["access"].found
    assert drift["access"].severity == "critical"
    assert "policy" not in drift


def test_drift_that_goes_away_is_told_too(acme: TenantView) -> None:
    disable(acme)
    check(acme, EU)
    kms(EU).enable_key(KeyId=str(arn_of(acme, EU)))
    assert check(acme, EU) == {}
    assert told(acme, "key.drift_gone") == [{"region": EU, "what": ["state"]}]


def test_what_a_plan_is_changing_is_no_drift(acme: TenantView) -> None:
    change_region_rule(
        tenant_id=acme.id, rule=RegionRuleInput(EU, may_decrypt=("pii",)), actor=OPERATOR
    )
    assert check(acme, EU) == {}
    run_due(acme)
    assert check(acme, US) == {}
    run_plan(acme)
    assert check(acme, US) == check(acme, EU) == {}


def test_what_a_plan_has_left_half_way_is(acme: TenantView) -> None:
    change_region_rule(
        tenant_id=acme.id, rule=RegionRuleInput(EU, may_decrypt=("pii",)), actor=OPERATOR
    )
    disable(acme)
    for _ in range(60):
        if get_progress(acme.id).failed:
            break
        if not run_due(acme):
            let_time_pass(acme)
    assert {*check(acme, US)} == {"policy"}
    assert {*check(acme, EU)} == {"state"}


def test_a_comparison_that_a_change_has_overtaken_is_not_written_down(
    acme: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The truth was read before a rule changed, and is written down after all of it is done."""
    real = truth.read_truth

    def slow(expected: Any) -> Any:
        found = real(expected)
        monkeypatch.setattr(checks, "read_truth", real)
        change_region_rule(
            tenant_id=acme.id, rule=RegionRuleInput(EU, may_decrypt=("pii",)), actor=OPERATOR
        )
        run_plan(acme)
        return found

    monkeypatch.setattr(checks, "read_truth", slow)
    assert check(acme, EU) == {}
    assert all(key.policy_in_force for key in list_regional_keys(acme.id))


def test_a_tenant_that_is_not_active_is_passed_over(acme: TenantView, cast: Cast) -> None:
    disable(acme)
    with fleet_scope("write"):
        Tenant.objects.filter(id=acme.id).update(state=TenantState.REVOKED)
    assert check(acme, EU) == {}
    initech = cast.initech()
    assert check(initech, EU) == {}


def test_a_pooled_tenants_key_is_compared_at_its_pool(acme: TenantView) -> None:
    disable(acme)
    with tenant_scope(acme.id, "write"):
        TenantKey.objects.filter(tenant_id=acme.id).update(tier=KeyTier.POOLED)
    assert check(acme, EU) == {}
    with pytest.raises(KeyShared):
        start_repair(tenant_id=acme.id, actor=OPERATOR)


@contextmanager
def only(*tenants: TenantView) -> Iterator[None]:
    """Of all tenants, these alone were not compared just now."""
    with fleet_scope("write"):
        RegionalKey.objects.update(checked_at=Now())
        mine = RegionalKey.objects.filter(tenant_id__in=[tenant.id for tenant in tenants])
        mine.update(checked_at=None)
    yield


def test_a_batch_takes_those_that_were_not_compared_for_longest(cast: Cast) -> None:
    first, second, third = cast.globex(), cast.globex(), cast.globex()
    with only(first, second, third), override_settings(GATEWAY_RECONCILE_BATCH=2), as_region(EU):
        with fleet_scope("write"):
            keys = RegionalKey.objects.filter(region=EU)
            keys.filter(tenant_id=third.id).update(checked_at=Now() - timedelta(hours=3))
            keys.filter(tenant_id=second.id).update(checked_at=Now() - timedelta(hours=2))
        assert reconcile(region=EU) == 2
        left = {key.checked_at is None for key in list_drift(first.id)}
        assert left == {False}
        with fleet_scope("latest"):
            waiting = set(
                RegionalKey.objects.filter(
                    region=EU, checked_at__lt=Now() - timedelta(hours=1)
                ).values_list("tenant_id", flat=True)
            )
        assert waiting == {second.id}
        assert reconcile(region=EU) == 1
        assert reconcile(region=EU) == 0


@pytest.mark.parametrize("error", [KeyUnavailable("no answer"), CredentialsRefused("not sent")])
def test_an_outage_ends_the_batch_and_nothing_is_written_down(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    globex = cast.globex()
    asked: list[object] = []

    def away(_: object) -> Any:
        asked.append(1)
        raise error

    with only(globex), as_region(EU), monkeypatch.context() as patch:
        patch.setattr("tenants.services.reconciliation.checks.read_truth", away)
        assert reconcile(region=EU) == 0
    assert asked == [1]
    assert [key.checked_at for key in list_drift(globex.id)] == [None]


def test_a_batch_takes_no_longer_than_until_the_next(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    globex = cast.globex()
    with only(globex), override_settings(GATEWAY_RECONCILE_SECONDS=-1), as_region(EU):
        assert reconcile(region=EU) == 0


def test_a_repair_on_request_puts_back_a_policy_that_allows_less(acme: TenantView) -> None:
    drop("AuditRoleReads")(acme)
    drop("DecryptUsWest1")(acme)
    plan_id = start_repair(tenant_id=acme.id, actor=OPERATOR)
    assert start_repair(tenant_id=acme.id, actor=OPERATOR) == plan_id
    run_plan(acme)
    assert check(acme, EU) == {}
    [started] = told(acme, "repair.started")
    assert started == {"enable": False, "unattended": False}


def test_a_disabled_key_is_enabled_only_when_a_person_says_so(acme: TenantView) -> None:
    disable(acme)
    check(acme, EU)
    start_repair(tenant_id=acme.id, regions=[EU], actor=OPERATOR)
    for _ in range(60):
        if get_progress(acme.id).failed:
            break
        if not run_due(acme):
            let_time_pass(acme)
    assert step(acme, OperationKind.VERIFY_KEY, EU).error["message"] == (
        "The key in eu-west-1 is Disabled."
    )
    assert {*drift_of(acme, EU)} == {"state"}
    plan_id = get_progress(acme.id).plan_id
    assert plan_id
    with pytest.raises(PlanUnderWay):
        set_rotation(tenant_id=acme.id, days=100, actor=OPERATOR)
    cancel_plan(tenant_id=acme.id, plan_id=plan_id, actor=OPERATOR)
    start_repair(tenant_id=acme.id, regions=[EU], enable=True, actor=OPERATOR)
    run_plan(acme)
    assert check(acme, EU) == {}
    repaired = row(acme, step(acme, OperationKind.REPAIR_KEY, EU).id).result["repaired"]
    assert repaired == ["state"]


def test_a_repair_of_a_region_without_a_key_is_not_found(cast: Cast) -> None:
    globex = cast.globex()
    with pytest.raises(NotFound):
        start_repair(tenant_id=globex.id, regions=[US], actor=OPERATOR)
    with pytest.raises(TenantNotActive):
        start_repair(tenant_id=cast.initech().id, actor=OPERATOR)


def test_a_verification_under_way_stands_in_no_repairs_way(acme: TenantView) -> None:
    start_verification(tenant_id=acme.id, actor=OPERATOR)
    start_repair(tenant_id=acme.id, actor=OPERATOR)
    assert run_plan(acme).plan == PlanKind.REPAIR


def everything_at_once(tenant: TenantView) -> None:
    change_policy(tenant, EU, lambda statements: statements.append(BACKDOOR))
    kms(EU).delete_alias(AliasName=alias_of(tenant.slug))
    untag("mrk-gateway:environment")(tenant)
    put_parameter("nonsense")(tenant)


def test_a_worker_may_be_killed_at_every_point_of_a_repair(cast: Cast) -> None:
    def start() -> TenantView:
        globex = cast.globex()
        everything_at_once(globex)
        assert {*check(globex, EU)} == {"policy", "alias", "tags", "parameter"}
        start_repair(tenant_id=globex.id, actor=OPERATOR)
        return globex

    def stands(globex: TenantView) -> None:
        assert check(globex, EU) == {}
        assert aliases_of(arn_of(globex, EU)) == [alias_of(globex.slug)]
        assert parameter(globex, EU)["value"] == str(arn_of(globex, EU))
        assert len(told(globex, "key.drift_gone")) == 1

    points = killed_everywhere(start, stands, sample=3)
    changed = {point.name for point in points if point.is_change}
    assert {"PutKeyPolicy", "CreateAlias", "TagResource", "PutParameter"} <= changed
