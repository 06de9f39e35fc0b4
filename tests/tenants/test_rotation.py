"""Rotation of the key in KMS: set once, made once, seen in every Region, and followed by new data keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from crypto.context import Purpose
from crypto.kms.clients import Plane
from tenants.errors import InputInvalid, KeyShared, PlanUnderWay, RotationsUsedUp, TenantNotActive
from tenants.kms.key_admin import KeyMaterial, KmsKeyAdmin, Rotation
from tenants.models import DataKey, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.selectors import TenantView, get_tenant, list_audit_events
from tenants.selectors.key_usage import get_key_rotation, list_key_usage, parts_left
from tenants.services import rotation
from tenants.services.data_keys import retire_data_keys
from tenants.services.onboarding import RegionRuleInput
from tenants.services.records import (
    RecordInput,
    SearchCondition,
    create_record,
    read_record,
    search_records,
)
from tenants.services.reencryption import start_reencryption
from tenants.services.rotation import rotate_key, set_rotation
from tenants.states import DataKeyState, KeyTier, OperationKind, OperationState, TenantState
from tests.callers import caller_of, people
from tests.cast import OPERATOR, Cast, as_region, let_time_pass, run_due, run_plan
from tests.tenants.aws import arn_of, clients
from tests.tenants.chaos import killed_everywhere
from tests.tenants.plans import step

HOME = "us-east-2"
ANN: dict[str, Any] = {
    "name": "Ann",
    "email": "ann@x.org",
    "ssn": "123",
    "card": "4111",
    "notes": {"a": 1},
}


def status(tenant: TenantView, region: str = HOME) -> Any:
    kms = clients().kms(region, Plane.ADMIN)
    return kms.get_key_rotation_status(KeyId=str(arn_of(tenant, region)))


def materials(tenant: TenantView) -> tuple[KeyMaterial, ...]:
    return KmsKeyAdmin(clients()).list_key_materials(arn_of(tenant, HOME))


def data_keys(tenant: TenantView) -> list[DataKey]:
    with tenant_scope(tenant.id, "latest"):
        return list(DataKey.objects.filter(tenant_id=tenant.id).order_by("created_at"))


def test_acme_sets_how_often_its_key_rotates_and_every_region_shows_it(cast: Cast) -> None:
    acme = cast.acme()
    assert status(acme)["RotationPeriodInDays"] == 365
    set_rotation(tenant_id=acme.id, days=90, actor=OPERATOR)
    run_plan(acme)
    assert status(acme, "eu-west-1")["RotationPeriodInDays"] == 90
    set_rotation(tenant_id=acme.id, days=0, actor=OPERATOR)
    run_plan(acme)
    assert not status(acme)["KeyRotationEnabled"]
    assert get_key_rotation(acme.id).days == 0
    events = [event.action for event in list_audit_events(acme.id, before=None, limit=20)]
    assert events.count("rotation.set") == events.count("key.rotation_set") == 2


@pytest.mark.parametrize("days", [-1, 1, 89, 2561])
def test_a_period_that_kms_would_refuse_is_refused(cast: Cast, days: int) -> None:
    with pytest.raises(InputInvalid):
        set_rotation(tenant_id=cast.initech().id, days=days, actor=OPERATOR)


def test_the_same_setting_again_does_not_put_the_next_rotation_off(cast: Cast) -> None:
    globex = cast.globex()
    before = status(globex, "eu-west-1")["NextRotationDate"]
    let_time_pass(globex)
    set_rotation(tenant_id=globex.id, days=365, actor=OPERATOR)
    run_plan(globex)
    assert status(globex, "eu-west-1")["NextRotationDate"] == before


def test_onboarding_uses_the_tenants_own_setting(cast: Cast) -> None:
    tenant = cast.initech()
    with tenant_scope(tenant.id, "write"):
        TenantKey.objects.filter(tenant_id=tenant.id).update(rotation_days=180)
    run_plan(tenant)
    assert status(tenant)["RotationPeriodInDays"] == 180


def test_a_rotation_on_demand_makes_new_material_and_new_data_keys(cast: Cast) -> None:
    acme = cast.acme()
    caller = caller_of(acme)
    collection = people(caller)
    create_record(caller=caller, collection=collection, record=RecordInput("ann", ANN))
    before = {key.id: key for key in data_keys(acme)}
    epoch = get_tenant(acme.slug).key_epoch
    rotate_key(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme)
    [old, new] = materials(acme)
    assert (old.current, new.current, new.on_demand) == (False, True, True)
    shown = get_key_rotation(acme.id)
    assert (shown.key_material_id, shown.on_demand_rotations) == (new.id, 1)
    assert get_tenant(acme.slug).key_epoch == epoch + 1
    for key in data_keys(acme):
        if key.purpose == Purpose.INDEX:
            assert key.key_material_id == new.id
            assert bytes(key.encrypted_data_key) != bytes(before[key.id].encrypted_data_key)
        else:
            assert (key.key_material_id, key.state) == (old.id, DataKeyState.RETIRED)
    later = caller_of(acme)
    create_record(
        caller=later, collection=collection, record=RecordInput("bob", ANN | {"email": "b@x.org"})
    )
    for record in ("ann", "bob"):
        assert read_record(caller=later, collection=collection, record_id=record).fields["card"]
    sealing = [key for key in data_keys(acme) if key.state == DataKeyState.ACTIVE]
    assert {key.key_material_id for key in sealing} == {new.id}


def test_search_finds_after_a_rotation_what_was_written_before_in_every_region(cast: Cast) -> None:
    acme = cast.acme()
    caller = caller_of(acme)
    collection = people(caller)
    create_record(caller=caller, collection=collection, record=RecordInput("ann", ANN))
    rotate_key(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme)
    for region in (HOME, "eu-west-1"):
        with as_region(region):
            found = search_records(
                caller=caller_of(acme),
                collection=collection,
                where=[SearchCondition("email", "eq", "ann@x.org")],
                limit=5,
            ).records
            assert [record.id for record in found] == ["ann"]


def test_index_keys_are_wrapped_anew_where_their_class_may_be_opened(cast: Cast) -> None:
    """The primary's Region may not open pii, eu-west-1 may, and no Region may both open and encrypt pci."""
    acme = cast.acme(
        us_east_2=RegionRuleInput(HOME, True, ("phi",)),
        us_west_1=RegionRuleInput("us-west-1", False, ("pci",)),
        eu_west_1=RegionRuleInput("eu-west-1", True, ("pii", "phi")),
    )
    with as_region("eu-west-1"):
        caller = caller_of(acme)
        collection = people(caller)
        person = {"name": "Ann", "email": "ann@x.org"}
        create_record(caller=caller, collection=collection, record=RecordInput("ann", person))
    rotate_key(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme)
    [index_key] = [key for key in data_keys(acme) if key.purpose == Purpose.INDEX]
    assert index_key.key_material_id == materials(acme)[-1].id
    assert index_key.key_arn == str(arn_of(acme, "eu-west-1"))


def test_rotating_data_keys_alone_leaves_the_key_as_it_is(cast: Cast) -> None:
    globex = cast.globex()
    with as_region("eu-west-1"):
        caller = caller_of(globex)
        collection = people(caller)
        create_record(caller=caller, collection=collection, record=RecordInput("ann", ANN))
        before = {key.id for key in data_keys(globex)}
        retire_data_keys(tenant_id=globex.id, actor=OPERATOR)
        run_plan(globex)
        assert len(KmsKeyAdmin(clients()).list_key_materials(arn_of(globex, "eu-west-1"))) == 1
        create_record(
            caller=caller_of(globex),
            collection=collection,
            record=RecordInput("bob", ANN | {"email": "b@x.org"}),
        )
    new = [key for key in data_keys(globex) if key.id not in before]
    assert {key.purpose for key in new} == {Purpose.RECORD}
    sealing = [
        key for key in data_keys(globex) if key.id in before and key.purpose == Purpose.RECORD
    ]
    assert {key.state for key in sealing} == {DataKeyState.RETIRED}


def test_a_26th_rotation_is_refused_before_and_by_the_worker(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = cast.acme()
    rotate_key(tenant_id=acme.id, actor=OPERATOR)
    used = tuple(KeyMaterial(str(n), n == 25, n > 0, None) for n in range(26))
    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "list_key_materials", lambda *_: used)
        run_due(acme)
    failed = step(acme, OperationKind.ROTATE_KEY)
    assert (failed.state, failed.error["code"]) == (OperationState.FAILED, "rotations_used_up")
    assert len(materials(acme)) == 1
    with tenant_scope(acme.id, "write"):
        TenantKey.objects.filter(tenant_id=acme.id).update(on_demand_rotations=25)
    other = cast.globex()
    with tenant_scope(other.id, "write"):
        TenantKey.objects.filter(tenant_id=other.id).update(on_demand_rotations=25)
    with pytest.raises(RotationsUsedUp):
        rotate_key(tenant_id=other.id, actor=OPERATOR)


def test_just_before_an_automatic_rotation_the_step_waits(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    globex = cast.globex()
    soon = status(globex, "eu-west-1")["NextRotationDate"]
    rotate_key(tenant_id=globex.id, actor=OPERATOR)
    with monkeypatch.context() as patch:
        patch.setattr("tenants.services.rotation.timezone.now", lambda: soon - timedelta(minutes=5))
        run_due(globex)
    waiting = step(globex, OperationKind.ROTATE_KEY)
    assert (waiting.state, waiting.error) == (OperationState.DUE, {})
    run_plan(globex)


def test_a_rotation_that_kms_is_at_is_waited_for_and_not_called_for_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the call, with KMS slow to show it: neither the list nor the clock alone would tell."""
    acme = cast.acme()
    rotate_key(tenant_id=acme.id, actor=OPERATOR)
    calls: list[str] = []
    before = materials(acme)
    monkeypatch.setattr(rotation, "_SETTLE", timedelta(0))
    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "list_key_materials", lambda *_: before)
        patch.setattr(KmsKeyAdmin, "rotate_now", lambda *_: calls.append("rotate"))
        run_due(acme)
        busy = Rotation(True, on_demand_since=get_tenant(acme.slug).created_at)
        patch.setattr(KmsKeyAdmin, "get_rotation", lambda *_: busy)
        for _ in range(3):
            let_time_pass(acme)
            run_due(acme)
    assert calls == ["rotate"]
    run_plan(acme)
    assert len(materials(acme)) == 2


def test_a_region_that_lags_is_waited_for(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = cast.acme()
    rotate_key(tenant_id=acme.id, actor=OPERATOR)
    describe = KmsKeyAdmin.describe_key
    old = materials(acme)[0].id

    def lagging(self: KmsKeyAdmin, arn: Any) -> Any:
        found = describe(self, arn)
        if arn.region == "us-west-1":
            object.__setattr__(found, "key_material_id", old)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "describe_key", lagging)
        for _ in range(3):
            run_due(acme)
            let_time_pass(acme)
    assert step(acme, OperationKind.ROTATE_KEY).state == OperationState.DUE
    run_plan(acme)


def test_a_key_that_is_not_the_tenants_own_is_not_rotated(cast: Cast) -> None:
    globex = cast.globex()
    for tier in (KeyTier.POOLED, KeyTier.EXTERNAL):
        with tenant_scope(globex.id, "write"):
            TenantKey.objects.filter(tenant_id=globex.id).update(tier=tier)
        with pytest.raises(KeyShared):
            rotate_key(tenant_id=globex.id, actor=OPERATOR)
        with pytest.raises(KeyShared):
            set_rotation(tenant_id=globex.id, days=90, actor=OPERATOR)


def test_a_pools_rotation_reaches_its_tenants_and_they_re_encrypt_one_by_one(cast: Cast) -> None:
    pool = cast.pool()
    hooli = cast.pooled(pool)
    caller = caller_of(hooli)
    collection = people(caller)
    create_record(caller=caller, collection=collection, record=RecordInput("ann", ANN))
    with pytest.raises(InputInvalid):
        rotate_key(tenant_id=pool.id, actor=OPERATOR, reencrypt=True)
    rotate_key(tenant_id=pool.id, actor=OPERATOR)
    run_plan(pool)
    set_rotation(tenant_id=pool.id, days=90, actor=OPERATOR)
    run_plan(pool)
    shown = get_key_rotation(hooli.id)
    assert shown == get_key_rotation(pool.id)
    assert (shown.days, shown.on_demand_rotations) == (90, 1)
    assert parts_left(list_key_usage(hooli.id)) == 3
    start_reencryption(tenant_id=hooli.id, actor=OPERATOR)
    run_plan(hooli)
    assert parts_left(list_key_usage(hooli.id)) == 0
    later = caller_of(hooli)
    assert read_record(caller=later, collection=collection, record_id="ann").fields["card"]
    where = [SearchCondition("email", "eq", "ann@x.org")]
    page = search_records(caller=later, collection=collection, where=where, limit=5)
    assert [record.id for record in page.records] == ["ann"]


def test_two_plans_at_a_time_and_a_tenant_that_is_revoked_are_refused(cast: Cast) -> None:
    globex = cast.globex()
    rotate_key(tenant_id=globex.id, actor=OPERATOR)
    for start in (rotate_key, retire_data_keys):
        with pytest.raises(PlanUnderWay):
            start(tenant_id=globex.id, actor=OPERATOR)
    run_plan(globex)
    with tenant_scope(globex.id, "write"):
        Tenant.objects.filter(id=globex.id).update(state=TenantState.REVOKED)
    with pytest.raises(TenantNotActive):
        rotate_key(tenant_id=globex.id, actor=OPERATOR)


def test_a_worker_may_be_killed_at_every_point_of_a_rotation_and_rotates_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_SETTLE", timedelta(0))

    def begin() -> TenantView:
        globex = cast.globex()
        with as_region("eu-west-1"):
            caller = caller_of(globex)
            create_record(caller=caller, collection=people(caller), record=RecordInput("ann", ANN))
        rotate_key(tenant_id=globex.id, actor=OPERATOR)
        return globex

    def rotated_once(tenant: TenantView) -> None:
        arn = arn_of(tenant, "eu-west-1")
        [old, new] = KmsKeyAdmin(clients()).list_key_materials(arn)
        assert get_key_rotation(tenant.id).key_material_id == new.id
        for key in data_keys(tenant):
            expected = new.id if key.purpose == Purpose.INDEX else old.id
            assert key.key_material_id == expected
        actions = [event.action for event in list_audit_events(tenant.id, before=None, limit=100)]
        for action in ("key.rotated", "data_keys.retired", "index_keys.rewrapped"):
            assert actions.count(action) == 1

    points = killed_everywhere(begin, rotated_once)
    assert "RotateKeyOnDemand" in {point.name for point in points if point.is_change}
    assert "ReEncrypt" in {point.name for point in points}
