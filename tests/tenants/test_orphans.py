"""Keys that nobody owns are found and nothing is done to them unasked; what is a tenant's is never taken for one."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from crypto.arn import KeyArn
from crypto.errors import KeyUnavailable
from tenants import tasks
from tenants.errors import NotFound, OrphanNotFree, WriterMoved
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.models import DataKey, KeyOperation, OrphanKey, PreviousKey, RegionalKey, TenantKey
from tenants.models.base import new_id
from tenants.scope import fleet_scope, tenant_scope
from tenants.selectors import TenantView, get_key_id, get_progress, get_tenant, list_audit_events
from tenants.selectors.drift import OrphanView, list_orphans
from tenants.services import orphans
from tenants.services.operations import retry_operation
from tenants.services.orphan_decisions import adopt_orphan, carry_out_decisions, schedule_orphan
from tenants.services.orphans import find_orphans, owned_ids
from tenants.services.plans import cancel_plan
from tenants.states import KeyTier, OperationKind, OperationState, TenantState
from tests.cast import (
    EVERYWHERE,
    OPERATOR,
    Cast,
    advance_kms_clock,
    as_region,
    let_time_pass,
    run_due,
    run_plan,
)
from tests.tenants.aws import arn_of, clients, keys_of
from tests.tenants.outsider import outsider
from tests.tenants.plans import Killed, step
from tests.tenants.test_key_policy import Rule, policy

US, WEST, EU = EVERYWHERE
TENANT, OPERATION = "mrk-gateway:tenant-id", "mrk-gateway:operation"


@pytest.fixture(autouse=True)
def no_key_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the stand-in is ahead of ours by what other tests have let pass."""
    monkeypatch.setattr(orphans, "SETTLE", -timedelta(days=3650))


def admin() -> KmsKeyAdmin:
    return KmsKeyAdmin(clients())


def make_key(region: str = US, **tags: str) -> KeyArn:
    """A key of ours by its tags, as a killed CreateKey leaves it."""
    given = {
        "mrk-gateway:environment": settings.GATEWAY_ENVIRONMENT,
        TENANT: "0" * 32,
        OPERATION: str(new_id()),
    }
    document = policy(region, *(Rule(each) for each in EVERYWHERE))
    made = admin().create_primary_key(
        region=region,
        policy=json.dumps(document),
        tags=given | {name.replace("_", ":"): text for name, text in tags.items()},
        description="",
    )
    return made.arn


def look(region: str = US) -> dict[str, OrphanView]:
    """What that Region's worker finds, by ARN."""
    with as_region(region):
        token = find_orphans(region=region)
        while token:
            token = find_orphans(region=region, token=token)
    return {one.arn: one for one in list_orphans(limit=10_000)}


def carry_out(region: str = US) -> int:
    with as_region(region):
        return carry_out_decisions(region=region)


def stored(arn: KeyArn) -> OrphanKey:
    with fleet_scope("latest"):
        return OrphanKey.objects.get(arn=str(arn))


def state_of(arn: KeyArn) -> str:
    return admin().describe_key(arn).state


def test_a_key_that_no_tenant_owns_is_found_and_left_as_it_is() -> None:
    arn = make_key()
    found = look()[str(arn)]
    assert (found.region, found.key_state, found.resolution) == (US, "Enabled", "")
    assert found.tags[TENANT] == "0" * 32
    assert look()[str(arn)] == found
    assert state_of(arn) == "Enabled"


def test_tenants_keys_are_no_orphans_in_any_region(cast: Cast) -> None:
    acme = cast.acme()
    for region in EVERYWHERE:
        assert str(arn_of(acme, region)) not in look(region)


def test_a_key_whose_tags_were_changed_is_still_its_tenants(cast: Cast) -> None:
    """Were it taken for an orphan by its tags, somebody could have it deleted by changing them."""
    acme = cast.acme()
    for region in EVERYWHERE:
        admin().put_tags(
            arn=arn_of(acme, region), tags={TENANT: "0" * 32, OPERATION: str(new_id())}
        )
        assert str(arn_of(acme, region)) not in look(region)


def test_a_key_from_before_and_a_replica_in_a_region_that_was_left_are_no_orphans(
    cast: Cast,
) -> None:
    before, acme = make_key(EU), cast.acme()
    with tenant_scope(acme.id, "write"):
        PreviousKey.objects.create(
            tenant_id=acme.id, arn=str(before.in_region(US)), tier=KeyTier.DEDICATED
        )
        RegionalKey.objects.filter(tenant_id=acme.id, region=EU).delete()
    known = look(EU)
    assert str(before) not in known
    assert f"arn:aws:kms:{EU}:111122223333:key/{get_key_id(acme.id)}" not in known


def test_a_key_whose_operation_or_plan_is_under_way_is_left_to_it(cast: Cast) -> None:
    initech = cast.initech()
    creation = step(initech, OperationKind.CREATE_PRIMARY_KEY)
    arn = make_key(**{"mrk-gateway_operation": str(creation.id)})
    assert str(arn) not in look()
    with tenant_scope(initech.id, "write"):
        KeyOperation.objects.filter(id=creation.id).update(state=OperationState.DONE)
    assert str(arn) not in look(), "a later step gives it to the tenant"
    plan_id = get_progress(initech.id).plan_id
    assert plan_id
    cancel_plan(tenant_id=initech.id, plan_id=plan_id, actor=OPERATOR)
    assert str(arn) in look()


def test_a_young_key_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    arn = make_key()
    monkeypatch.setattr(orphans, "SETTLE", timedelta(days=1))
    assert str(arn) not in look()


@pytest.mark.parametrize(
    "tags", [{"mrk-gateway_operation": "nonsense"}, {"mrk-gateway_tenant-id": "x"}]
)
def test_tags_that_say_nothing_are_no_hindrance(tags: dict[str, str]) -> None:
    arn = make_key(**tags)
    found = look()[str(arn)]
    with pytest.raises(OrphanNotFree):
        adopt_orphan(orphan_id=found.id, actor=OPERATOR)


def test_keys_of_another_environment_are_none_of_ours() -> None:
    made = outsider(US).create_key(
        Policy=json.dumps(theirs()),
        Tags=[{"TagKey": "mrk-gateway:environment", "TagValue": "staging"}],
    )
    assert made["KeyMetadata"]["Arn"] not in look()


def theirs() -> dict[str, Any]:
    """The policy of a key that is somebody else's alone."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:user/outsider"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_a_page_at_a_time_and_on_where_the_last_one_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    arns = {str(make_key(WEST)) for _ in range(3)}
    real = KmsKeyAdmin.get_tagged_keys
    seen: list[str] = []

    def page(self: KmsKeyAdmin, **asked: Any) -> Any:
        seen.append(asked["token"])
        self._clients.tagging(asked["region"]).meta.events.register(
            "provide-client-params.resource-groups-tagging-api.GetResources",
            lambda params, **_: params | {"ResourcesPerPage": 1},
            unique_id="one",
        )
        return real(self, **asked)

    monkeypatch.setattr(KmsKeyAdmin, "get_tagged_keys", page)
    monkeypatch.setattr(orphans, "_LOOK_SECONDS", -1.0)
    try:
        assert arns <= look(WEST).keys()
    finally:
        for each in EVERYWHERE:
            clients(WEST).tagging(each).meta.events.unregister(
                "provide-client-params.resource-groups-tagging-api.GetResources", unique_id="one"
            )
    assert len(seen) >= 3
    assert seen[0] == ""
    assert len(set(seen)) == len(seen)


def test_what_finds_its_owner_or_is_on_its_way_out_is_gone(cast: Cast) -> None:
    owned, deleted = make_key(), make_key()
    assert {str(owned), str(deleted)} <= look().keys()
    with tenant_scope(cast.initech().id, "write"):
        TenantKey.objects.update(key_id=owned.key_id)
    admin().schedule_deletion(arn=deleted, days=7)
    assert not {str(owned), str(deleted)} & look().keys()
    assert (stored(owned).resolution, stored(deleted).resolution) == ("gone", "gone")
    admin().cancel_deletion(deleted)
    assert str(deleted) in look()


def lost_creation(cast: Cast, monkeypatch: pytest.MonkeyPatch, *, twins: bool) -> TenantView:
    """Onboarding stopped: two keys carry the tag of one operation; or it was given up after its key was made."""
    tenant = cast.start("orphaned", (US, EU), US, {})
    create = KmsKeyAdmin.create_primary_key

    def lose(self: KmsKeyAdmin, **arguments: Any) -> Any:
        create(self, **arguments)
        if twins:
            create(self, **arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "create_primary_key", lose)
        with pytest.raises(Killed):
            run_due(tenant)
    let_time_pass(tenant)
    return tenant


def test_of_two_keys_one_is_adopted_and_the_other_scheduled(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = lost_creation(cast, monkeypatch, twins=True)
    run_due(tenant)
    assert step(tenant, OperationKind.CREATE_PRIMARY_KEY).state == OperationState.FAILED
    mine = [one for one in look().values() if one.tags[TENANT] == tenant.id.hex]
    chosen, twin = mine
    assert adopt_orphan(orphan_id=chosen.id, actor=OPERATOR) == tenant.id
    run_plan(tenant)
    assert get_tenant(tenant.slug).state == TenantState.ACTIVE
    assert get_key_id(tenant.id) == KeyArn.parse(chosen.arn).key_id
    assert [event.action for event in list_audit_events(tenant.id, before=None, limit=99)].count(
        "orphan.adopted"
    ) == 1
    schedule_orphan(orphan_id=twin.id, actor=OPERATOR)
    assert carry_out() == 1
    assert state_of(KeyArn.parse(twin.arn)) == "PendingDeletion"
    assert state_of(KeyArn.parse(chosen.arn)) == "Enabled"
    assert not {chosen.arn, twin.arn} & look().keys()


def test_when_one_of_two_is_scheduled_a_retry_finds_the_other(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = lost_creation(cast, monkeypatch, twins=True)
    run_due(tenant)
    kept, twin = [one for one in look().values() if one.tags[TENANT] == tenant.id.hex]
    schedule_orphan(orphan_id=twin.id, actor=OPERATOR)
    carry_out()
    failed = step(tenant, OperationKind.CREATE_PRIMARY_KEY)
    retry_operation(tenant_id=tenant.id, operation_id=failed.id, actor=OPERATOR)
    run_plan(tenant)
    assert get_key_id(tenant.id) == KeyArn.parse(kept.arn).key_id
    assert len([arn for arn in keys_of(tenant)[US] if state_of(arn) == "Enabled"]) == 1


def test_what_was_adopted_must_be_the_tenants_by_its_tags_when_it_is_used(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = lost_creation(cast, monkeypatch, twins=True)
    run_due(tenant)
    chosen = next(one for one in look().values() if one.tags[TENANT] == tenant.id.hex)
    adopt_orphan(orphan_id=chosen.id, actor=OPERATOR)
    admin().put_tags(arn=KeyArn.parse(chosen.arn), tags={TENANT: "0" * 32})
    run_due(tenant)
    failed = step(tenant, OperationKind.CREATE_PRIMARY_KEY)
    assert (failed.state, failed.error["code"]) == (OperationState.FAILED, "not_verified")
    assert get_key_id(tenant.id) == ""


def test_a_tenant_that_has_its_key_adopts_no_other(cast: Cast) -> None:
    acme = cast.acme()
    arn = make_key(**{"mrk-gateway_tenant-id": acme.id.hex})
    with pytest.raises(OrphanNotFree):
        adopt_orphan(orphan_id=look()[str(arn)].id, actor=OPERATOR)


def test_deletion_is_carried_out_once_with_the_longest_window_and_told(cast: Cast) -> None:
    acme = cast.acme()
    arn = make_key(**{"mrk-gateway_tenant-id": acme.id.hex})
    schedule_orphan(orphan_id=look()[str(arn)].id, actor=OPERATOR)
    assert state_of(arn) == "Enabled", "a process without the admin role only decides"
    assert carry_out(EU) == 0, "another Region's"
    assert (carry_out(), carry_out()) == (1, 0)
    key = admin().describe_key(arn)
    assert key.state == "PendingDeletion"
    assert key.deletion_date
    assert key.created_at
    assert key.deletion_date - key.created_at > timedelta(days=29)
    assert stored(arn).resolved_at
    [event] = [
        one
        for one in list_audit_events(acme.id, before=None, limit=9)
        if one.action == "orphan.scheduled"
    ]
    assert (event.subject, event.detail) == (str(arn), {"region": US, "days": 30})
    with pytest.raises(NotFound):
        schedule_orphan(orphan_id=stored(arn).id, actor=OPERATOR)


def test_replicas_of_an_orphan_go_first() -> None:
    arn = make_key()
    document = json.dumps(policy(EU, *(Rule(each) for each in EVERYWHERE)))
    replica = admin().replicate_key(
        primary=arn,
        region=EU,
        policy=document,
        tags={"mrk-gateway:environment": "sandbox", TENANT: "0" * 32},
        description="",
    )
    schedule_orphan(orphan_id=look()[str(arn)].id, actor=OPERATOR)
    advance_kms_clock(30)
    assert carry_out() == 1
    assert state_of(replica.arn) == "PendingDeletion"
    assert state_of(arn) == "PendingReplicaDeletion"


@pytest.fixture
def sealed(cast: Cast) -> OrphanView:
    """An orphan under which a data key of a tenant stands, whatever its tags say: as after a fault of ours."""
    arn, globex = make_key(), cast.globex()
    found = look()[str(arn)]
    row_id = new_id()
    with tenant_scope(globex.id, "write"):
        DataKey.objects.create(
            id=row_id,
            tenant_id=globex.id,
            classification="pii",
            purpose="record",
            region=EU,
            encrypted_data_key=b"x",
            key_arn=str(arn.in_region(EU)),
            state="retired",
            created_at=timezone.now(),
            expires_at=timezone.now(),
        )
    return found


def test_a_key_with_which_anything_was_sealed_is_never_scheduled(
    sealed: OrphanView,
) -> None:
    with pytest.raises(OrphanNotFree, match="Data keys"):
        schedule_orphan(orphan_id=sealed.id, actor=OPERATOR)
    with fleet_scope("write"):
        OrphanKey.objects.filter(id=sealed.id).update(resolution="scheduled")
    assert carry_out() == 0
    assert state_of(KeyArn.parse(sealed.arn)) == "Enabled"


def test_a_key_that_finds_its_owner_between_decision_and_deed_is_kept(cast: Cast) -> None:
    arn = make_key()
    schedule_orphan(orphan_id=look()[str(arn)].id, actor=OPERATOR)
    with tenant_scope(cast.initech().id, "write"):
        TenantKey.objects.update(key_id=arn.key_id)
    assert carry_out() == 0
    assert state_of(arn) == "Enabled"
    assert stored(arn).resolution == "gone"


def test_what_is_decided_survives_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    arn = make_key()
    schedule_orphan(orphan_id=look()[str(arn)].id, actor=OPERATOR)

    def away(*_: Any, **__: Any) -> Any:
        raise KeyUnavailable("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "schedule_deletion", away)
        assert carry_out() == 0
    assert str(arn) in look(), "it is listed until it is done"
    assert carry_out() == 1


def test_the_death_of_a_worker_after_the_call_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arn = make_key()
    schedule_orphan(orphan_id=look()[str(arn)].id, actor=OPERATOR)
    real = KmsKeyAdmin.schedule_deletion

    def die(self: KmsKeyAdmin, **arguments: Any) -> Any:
        real(self, **arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "schedule_deletion", die)
        with pytest.raises(Killed):
            carry_out()
    assert carry_out() == 1
    assert state_of(arn) == "PendingDeletion"


def test_somebody_elses_key_with_a_tag_like_ours_is_passed_over() -> None:
    tags = {"mrk-gateway:environment": settings.GATEWAY_ENVIRONMENT, TENANT: "1" * 32}
    made = outsider(US).create_key(
        Policy=json.dumps(theirs()),
        MultiRegion=True,
        Tags=[{"TagKey": name, "TagValue": value} for name, value in tags.items()],
    )
    assert made["KeyMetadata"]["Arn"] not in look()


def test_ownership_goes_by_the_key_and_not_by_the_region(cast: Cast) -> None:
    acme = cast.acme()
    keys, own = [arn_of(acme, EU), make_key()], get_key_id(acme.id)
    with fleet_scope("latest"):
        assert owned_ids(keys) == {own}


def test_the_task_carries_out_what_is_decided_looks_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arn = make_key()
    schedule_orphan(orphan_id=look()[str(arn)].id, actor=OPERATOR)
    sent: list[dict[str, str]] = []
    monkeypatch.setattr("tenants.jobs.enqueue_orphans", lambda **asked: sent.append(asked))
    monkeypatch.setattr("tenants.services.orphans.find_orphans", lambda **_: "page 2")
    tasks.find_orphans()
    assert state_of(arn) == "PendingDeletion"
    assert sent == [{"region": US, "token": "page 2"}]


@pytest.mark.parametrize("error", [WriterMoved("gone"), KeyUnavailable("no answer")])
def test_the_task_waits_for_its_next_turn_where_something_is_away(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def away(**_: object) -> str:
        raise error

    monkeypatch.setattr("tenants.services.orphan_decisions.carry_out_decisions", away)
    tasks.find_orphans()
