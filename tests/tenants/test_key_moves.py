"""Moving to another key: nothing is lost, nothing stops, and the key before opens until nothing needs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from crypto.arn import KeyArn
from crypto.errors import DecryptionFailed, KeyReplaced
from tenants.errors import (
    ExternalKeyRefused,
    InputInvalid,
    NotFound,
    PlanUnderWay,
    PreviousKeyInUse,
    TenantIsPool,
    TenantNotActive,
)
from tenants.fields.generations import Generations, cache_seconds, new_envelope
from tenants.fields.keys import FieldKeys, Plaintext
from tenants.models import DataKey, PreviousKey, TenantKey
from tenants.schema.conditions import SearchCondition
from tenants.scope import tenant_scope
from tenants.selectors import (
    Caller,
    TenantView,
    get_tenant,
    list_audit_events,
    list_regional_keys,
)
from tenants.selectors.in_process import get_in_process_caller
from tenants.services.external_keys import ExternalKeyInput, policy_templates
from tenants.services.key_moves import start_forgetting, start_key_move
from tenants.services.publication import alias_of
from tenants.services.records import RecordInput, create_record, read_record, rows, search_records
from tenants.services.rules import RegionRuleInput, change_region_rule
from tenants.services.sealing import NewPart
from tenants.services.values import Value, ValueFault, decrypt_values, encrypt_values
from tenants.states import KeyTier, OperationKind, OperationState
from tests.callers import caller_of, people
from tests.cast import EVERYWHERE, OPERATOR, Cast, as_region, run_due, run_plan
from tests.tenants.aws import aliases_of, arn_of, clients, keys_of, parameter
from tests.tenants.external import key_owner
from tests.tenants.plans import step

OWNER = "444455556666"


def pooled(cast: Cast, pool: TenantView) -> TenantView:
    return cast.pooled(pool, "us-east-2", "eu-west-1")


def with_records(tenant: TenantView, count: int = 6) -> dict[str, Any]:
    """Some records, sealed in both of its Regions, under one API key."""
    caller = caller_of(tenant)
    where: dict[str, Any] = {"caller": caller, "collection": people(caller)}
    for number in range(count):
        with as_region(("us-east-2", "eu-west-1")[number % 2]):
            create_record(**where, record=RecordInput(f"r{number}", fields(number)))
    return where


def fields(number: int) -> dict[str, Any]:
    return {"name": "Ann", "email": f"a{number}@b.org", "card": f"4111-{number}", "notes": [number]}


def search_of(number: int) -> list[SearchCondition]:
    """What finds that record, by another spelling of its value."""
    return [SearchCondition("email", "eq", f"A{number}@b.org")]


def again(where: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """The same collection, as the next request sees its tenant."""
    return {**where, "caller": caller}


def reads_all(where: dict[str, Any], count: int = 6, regions: tuple[str, ...] = ()) -> None:
    """Each record opens in each Region, and is found by its search token."""
    for region in regions or ("us-east-2", "eu-west-1"):
        with as_region(region):
            for number in range(count):
                found = read_record(**where, record_id=f"r{number}").fields
                assert {name: found[name] for name in fields(number)} == fields(number)
                [hit] = search_records(**where, where=search_of(number), limit=5).records
                assert hit.id == f"r{number}"


def key_of(tenant: TenantView) -> TenantKey:
    with tenant_scope(tenant.id, "latest"):
        return TenantKey.objects.get(tenant_id=tenant.id)


def previous_of(tenant: TenantView) -> list[str]:
    with tenant_scope(tenant.id, "latest"):
        return list(PreviousKey.objects.filter(tenant_id=tenant.id).values_list("arn", flat=True))


def key_ids(tenant: TenantView) -> set[str]:
    """Under which keys its data keys are."""
    with tenant_scope(tenant.id, "latest"):
        arns = DataKey.objects.filter(tenant_id=tenant.id).values_list("key_arn", flat=True)
        return {KeyArn.parse(arn).key_id for arn in arns}


def actions(tenant: TenantView) -> list[str]:
    return [event.action for event in list_audit_events(tenant.id, before=None, limit=200)]


def external_key(tenant: TenantView, regions: tuple[str, ...]) -> ExternalKeyInput:
    """A key of the tenant's own, opened to us as the template says."""
    rules = [RegionRuleInput(region) for region in regions]
    templates = policy_templates(tenant=tenant.id.hex, rules=rules)
    return ExternalKeyInput(str(key_owner().make_key(templates, regions)), (OWNER,))


def test_a_pooled_tenant_gets_a_key_of_its_own_and_the_pool_keeps_its(cast: Cast) -> None:
    pool = cast.pool()
    hooli = pooled(cast, pool)
    where = with_records(hooli)
    shared = arn_of(pool, "us-east-2")
    start_key_move(tenant_id=hooli.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
    run_plan(hooli)
    made = keys_of(hooli)
    assert sorted(made) == ["eu-west-1", "us-east-2"]
    assert all(len(arns) == 1 for arns in made.values())
    mine = key_of(hooli)
    assert (mine.tier, mine.pool_id, mine.key_id) == (
        KeyTier.DEDICATED,
        None,
        made["us-east-2"][0].key_id,
    )
    for region, [arn] in made.items():
        assert arn_of(hooli, region) == arn
        assert aliases_of(arn) == [alias_of(hooli.slug)]
        assert parameter(hooli, region)["value"] == str(arn)
    assert all(key.policy_in_force and key.verified_at for key in list_regional_keys(hooli.id))
    assert previous_of(hooli) == []
    assert key_ids(hooli) == {mine.key_id}
    reads_all(again(where, caller_of(hooli)))
    assert aliases_of(shared) == [alias_of(pool.slug)]
    assert {key.key_state for key in list_regional_keys(pool.id)} == {"Enabled"}
    other = cast.pooled(pool, "us-east-2", stem="initrode")
    create_record(
        caller=(caller := caller_of(other)),
        collection=people(caller),
        record=RecordInput("x", {"name": "X"}),
    )
    done = actions(hooli)
    assert done.count("key.created") == done.count("key.switched") == 1
    assert "previous_key.forgotten" in done
    assert "previous_key.deletion_scheduled" not in done
    change_region_rule(
        tenant_id=hooli.id, rule=RegionRuleInput("eu-west-1", True, ("pii",)), actor=OPERATOR
    )


def test_a_dedicated_key_gives_way_to_one_of_the_tenants_own_and_is_ended(cast: Cast) -> None:
    acme = cast.onboard("acme", ("us-east-2", "eu-west-1"), "us-east-2", {})
    where = with_records(acme)
    old = arn_of(acme, "us-east-2")
    key = external_key(acme, ("us-east-2", "eu-west-1"))
    start_key_move(tenant_id=acme.id, tier=KeyTier.EXTERNAL, external=key, actor=OPERATOR)
    run_plan(acme)
    assert (key_of(acme).tier, str(arn_of(acme, "us-east-2"))) == (KeyTier.EXTERNAL, key.arn)
    reads_all(again(where, caller_of(acme)))
    assert key_ids(acme) == {KeyArn.parse(key.arn).key_id}
    for region in ("us-east-2", "eu-west-1"):
        from crypto.kms.clients import Plane

        state = clients().kms(region, Plane.ADMIN).describe_key(KeyId=str(old.in_region(region)))
        assert state["KeyMetadata"]["KeyState"].startswith("Pending")
    assert actions(acme).count("previous_key.deletion_scheduled") == 1
    # And back again: the key in their account is none of ours to end.
    start_key_move(tenant_id=acme.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
    run_plan(acme)
    assert key_of(acme).tier == KeyTier.DEDICATED
    reads_all(again(where, caller_of(acme)))
    theirs = key_owner().kms("us-east-2").describe_key(KeyId=key.arn)["KeyMetadata"]
    assert theirs["KeyState"] == "Enabled"
    assert actions(acme).count("previous_key.deletion_scheduled") == 1


def run_until(tenant: TenantView, kind: OperationKind) -> None:
    """As the workers would, up to the first step of that kind."""
    for _ in range(80):
        if step(tenant, kind).state != OperationState.PLANNED:
            return
        if not run_due(tenant):
            from tests.cast import let_time_pass

            let_time_pass(tenant)
    raise AssertionError(step(tenant, kind))


def test_between_the_switch_and_the_end_both_keys_open_and_the_new_one_seals(cast: Cast) -> None:
    hooli = pooled(cast, cast.pool())
    where = with_records(hooli)
    before = where["caller"]
    start_key_move(tenant_id=hooli.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
    run_until(hooli, OperationKind.SWITCH_KEY)
    assert key_of(hooli).tier == KeyTier.POOLED
    assert caller_of(hooli).key == before.key
    run_until(hooli, OperationKind.REENCRYPT_RECORDS)
    now = caller_of(hooli)
    assert now.key
    assert before.key
    assert now.key.previous == (before.key.key.in_region("us-east-2"),)
    assert now.key.epoch > before.key.epoch
    here = again(where, now)
    reads_all(here)
    create_record(**here, record=RecordInput("new", fields(99)))
    with tenant_scope(hooli.id, "latest"):
        active = DataKey.objects.filter(tenant_id=hooli.id, state="active")
        assert {KeyArn.parse(one.key_arn).key_id for one in active} == {now.key.key.key_id}
    with pytest.raises(PlanUnderWay):
        change_region_rule(
            tenant_id=hooli.id, rule=RegionRuleInput("eu-west-1", False), actor=OPERATOR
        )
    run_plan(hooli)
    assert previous_of(hooli) == []
    reads_all(again(where, caller_of(hooli)))


def test_who_still_knows_the_tenant_by_its_old_key_loses_nothing(cast: Cast) -> None:
    """A request that began before the switch, or a Region whose reader lags."""
    hooli = pooled(cast, cast.pool())
    where = with_records(hooli)
    start_key_move(tenant_id=hooli.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
    run_until(hooli, OperationKind.REENCRYPT_RECORDS)
    create_record(**where, record=RecordInput("late", fields(50)))
    here = again(where, caller_of(hooli))
    assert read_record(**here, record_id="late").fields["card"] == "4111-50"
    run_plan(hooli)
    reads_all(again(where, caller_of(hooli)))
    assert read_record(**again(where, caller_of(hooli)), record_id="late").version == 1
    assert key_ids(hooli) == {key_of(hooli).key_id}


def test_what_was_sealed_before_and_is_stored_after_the_end_is_refused_and_not_lost(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest request of all: it has sealed under a data key that is gone when it wants to store."""
    hooli = cast.pooled(cast.pool(), "us-east-2")
    caller = caller_of(hooli)
    where: dict[str, Any] = {"caller": caller, "collection": people(caller)}
    create_record(**where, record=RecordInput("r0", fields(0)))
    put = rows.put_parts

    def late(place: Any, records: Any) -> None:
        put(place, [replace(one, parts=[under(part) for part in one.parts]) for one in records])

    def under(part: NewPart) -> NewPart:
        return replace(part, data_key_id=old)

    with tenant_scope(hooli.id, "latest"):
        old = DataKey.objects.get(tenant_id=hooli.id, purpose="record", classification="pii").id
    start_key_move(tenant_id=hooli.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
    run_plan(hooli)
    where = again(where, caller_of(hooli))
    with monkeypatch.context() as patch:
        patch.setattr("tenants.services.records.creation.put_parts", late)
        with pytest.raises(KeyReplaced) as caught:
            create_record(**where, record=RecordInput("late", fields(1)))
    assert caught.value.retryable
    with pytest.raises(NotFound):
        read_record(**where, record_id="late")
    create_record(**where, record=RecordInput("late", fields(1)))
    assert read_record(**where, record_id="late").fields["card"] == "4111-1"


def test_a_request_from_before_the_move_is_served_after_its_end(cast: Cast) -> None:
    hooli = pooled(cast, cast.pool())
    where = with_records(hooli, 2)
    start_key_move(tenant_id=hooli.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
    run_plan(hooli)
    reads_all(where, 2)
    create_record(**where, record=RecordInput("late", fields(7)))
    assert key_ids(hooli) == {key_of(hooli).key_id}


def test_values_that_only_the_apps_have_keep_the_key_before(cast: Cast) -> None:
    acme = cast.onboard("acme", ("us-east-2", "eu-west-1"), "us-east-2", {})
    caller = caller_of(acme)
    [value] = encrypt_values(caller=caller, values=[Value(b"secret", "pii")])
    assert isinstance(value, bytes)
    old = arn_of(acme, "us-east-2")
    key = external_key(acme, ("us-east-2", "eu-west-1"))
    start_key_move(tenant_id=acme.id, tier=KeyTier.EXTERNAL, external=key, actor=OPERATOR)
    run_plan(acme)
    assert previous_of(acme) == [str(old)]
    assert "previous_key.kept" in actions(acme)
    assert "previous_key.deletion_scheduled" not in actions(acme)
    now = caller_of(acme)
    sealed = [Value(value, "pii")]
    assert decrypt_values(caller=now, values=sealed) == [b"secret"]
    with pytest.raises(PreviousKeyInUse):
        change_region_rule(
            tenant_id=acme.id, rule=RegionRuleInput("eu-west-1", False), actor=OPERATOR
        )
    start_forgetting(tenant_id=acme.id, actor=OPERATOR)
    run_plan(acme)
    assert previous_of(acme) == []
    assert "previous_key.deletion_scheduled" in actions(acme)
    [fault] = decrypt_values(caller=caller_of(acme), values=sealed)
    assert isinstance(fault, ValueFault)
    assert isinstance(fault.error, DecryptionFailed)
    with pytest.raises(NotFound):
        start_forgetting(tenant_id=acme.id, actor=OPERATOR)


def test_encrypted_fields_follow_to_the_new_key_at_once(cast: Cast) -> None:
    """What a process remembers of a tenant may be some seconds old: a message under the new key makes it look again."""

    def fresh() -> FieldKeys:
        return FieldKeys(Generations(new_envelope, cache_seconds), get_in_process_caller)

    hooli = cast.pooled(cast.pool(), "us-east-2")
    late = fresh()
    old = late.seal(Plaintext(b"old"), hooli.id, "pii")
    start_key_move(tenant_id=hooli.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
    run_until(hooli, OperationKind.REENCRYPT_RECORDS)
    new = fresh().seal(Plaintext(b"new"), hooli.id, "pii")
    assert late.open(new, hooli.id, "pii") == b"new"
    assert late.open(old, hooli.id, "pii") == fresh().open(old, hooli.id, "pii") == b"old"
    with pytest.raises(DecryptionFailed):
        late.open(new[:-1] + bytes([new[-1] ^ 1]), hooli.id, "pii")


def test_moves_that_are_none_are_refused(cast: Cast) -> None:
    pool = cast.pool()
    hooli = cast.pooled(pool, "us-east-2")
    acme = cast.globex()
    key = ExternalKeyInput(str(arn_of(pool, "us-east-2")), (OWNER,))

    def move(tenant: TenantView, tier: KeyTier, external: Any = None) -> None:
        start_key_move(tenant_id=tenant.id, tier=tier, external=external, actor=OPERATOR)

    for tenant, tier, external, place in (
        (acme, KeyTier.DEDICATED, None, "/tier"),
        (acme, KeyTier.POOLED, None, "/tier"),
        (hooli, KeyTier.POOLED, None, "/tier"),
        (hooli, KeyTier.EXTERNAL, None, "/external_key"),
        (hooli, KeyTier.DEDICATED, key, "/external_key"),
    ):
        with pytest.raises(InputInvalid) as caught:
            move(tenant, tier, external)
        assert [at for at, _ in caught.value.problems] == [place]
    with pytest.raises(ExternalKeyRefused):
        move(hooli, KeyTier.EXTERNAL, key)
    with pytest.raises(TenantIsPool):
        move(pool, KeyTier.DEDICATED)
    with pytest.raises(TenantNotActive):
        move(cast.initech(), KeyTier.DEDICATED)
    with pytest.raises(NotFound):
        start_key_move(tenant_id=uuid4(), tier=KeyTier.DEDICATED, actor=OPERATOR)
    move(hooli, KeyTier.DEDICATED)
    with pytest.raises(PlanUnderWay):
        move(hooli, KeyTier.DEDICATED)


def test_two_tenants_that_are_about_to_move_do_not_get_the_same_key(cast: Cast) -> None:
    acme, globex = cast.globex(), cast.globex()
    key = external_key(acme, ("eu-west-1",))
    start_key_move(tenant_id=acme.id, tier=KeyTier.EXTERNAL, external=key, actor=OPERATOR)
    with pytest.raises(ExternalKeyRefused):
        start_key_move(tenant_id=globex.id, tier=KeyTier.EXTERNAL, external=key, actor=OPERATOR)


def test_a_new_key_that_does_not_prove_itself_is_not_switched_to(cast: Cast) -> None:
    globex = cast.globex()
    arn = key_owner().make_key({}, ("eu-west-1",))
    key = ExternalKeyInput(str(arn), (OWNER,))
    start_key_move(tenant_id=globex.id, tier=KeyTier.EXTERNAL, external=key, actor=OPERATOR)
    with pytest.raises(AssertionError):
        run_plan(globex)
    failed = step(globex, OperationKind.PROBE_EXTERNAL_KEY)
    assert failed.error["code"] == "external_key_not_proven"
    assert key_of(globex).tier == KeyTier.DEDICATED
    assert get_tenant(globex.slug).key_epoch == globex.key_epoch


def test_all_regions_are_switched_at_one_moment(cast: Cast) -> None:
    hooli = cast.pooled(cast.pool())
    start_key_move(tenant_id=hooli.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
    run_until(hooli, OperationKind.SWITCH_KEY)
    run_due(hooli)
    keys = list_regional_keys(hooli.id)
    assert {key.region for key in keys} == set(EVERYWHERE)
    assert len({KeyArn.parse(key.arn).key_id for key in keys}) == 1
