"""Pools: one key for several tenants, kept apart by the encryption context; and what none of them may do to it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest

from crypto.errors import DecryptionFailed, KeyAccessDenied
from crypto.keyring import Keyring
from tenants.errors import (
    InputInvalid,
    NeedsDedicatedKey,
    NotFound,
    TenantExists,
    TenantIsPool,
)
from tenants.models import Tenant, TenantKey
from tenants.scope import fleet_scope
from tenants.selectors import (
    TenantView,
    get_tenant,
    list_region_rules,
    list_regional_keys,
    list_tenants,
)
from tenants.selectors.in_process import get_in_process_caller
from tenants.selectors.pools import list_pools, regions_in_use
from tenants.services.access import add_member, issue_api_key
from tenants.services.key_choice import KeyInput
from tenants.services.onboarding import RegionRuleInput, create_pool, start_onboarding
from tenants.services.pool_denial import enforce_denials
from tenants.services.records import RecordInput, create_record, read_record
from tenants.services.rules import change_region_rule
from tenants.services.verification import start_verification
from tenants.states import KeyTier, MemberRole, OperationKind, OperationState, TenantState
from tests.callers import caller_of, people
from tests.cast import EVERYWHERE, OPERATOR, Cast, as_region, run_plan
from tests.tenants.aws import aliases_of, arn_of, clients, context, keys_of, parameter, policy_of
from tests.tenants.plans import step

TENANT = "kms:EncryptionContext:tenant"


@lru_cache(maxsize=1)
def shared_pool() -> TenantView:
    """One pool for the tests that change nothing of it."""
    return Cast().pool()


def key_of(tenant: TenantView) -> TenantKey:
    with fleet_scope("latest"):
        return TenantKey.objects.get(tenant_id=tenant.id)


def test_a_pool_is_made_like_a_tenant_and_its_policy_names_no_tenant() -> None:
    pool = shared_pool()
    assert (pool.state, key_of(pool).tier) == (TenantState.ACTIVE, KeyTier.DEDICATED)
    assert sorted(keys_of(pool)) == sorted(EVERYWHERE)
    for region in EVERYWHERE:
        document = policy_of(pool, region)
        assert pool.id.hex not in str(document)
        used = [one for one in document["Statement"] if "EncryptionContext" in str(one)]
        assert used
        assert all(one["Condition"]["Null"] == {TENANT: "false"} for one in used)
    assert all(key.policy_in_force and key.verified_at for key in list_regional_keys(pool.id))


def test_a_pooled_tenant_uses_the_key_of_its_pool_and_makes_none(cast: Cast) -> None:
    pool = shared_pool()
    hooli = cast.pooled(pool, "eu-west-1", "us-west-1")
    assert hooli.state == TenantState.ACTIVE
    assert keys_of(hooli) == {}
    for region in ("eu-west-1", "us-west-1"):
        shared = arn_of(pool, region)
        assert arn_of(hooli, region) == shared
        assert parameter(hooli, region)["value"] == str(shared)
        assert aliases_of(shared) == [f"alias/tenants/{pool.slug}"]
    mine = key_of(hooli)
    assert (mine.tier, mine.pool_id, mine.key_id) == (KeyTier.POOLED, pool.id, key_of(pool).key_id)
    assert mine.primary_region == "us-east-2"
    assert {key.region for key in list_regional_keys(hooli.id)} == {"eu-west-1", "us-west-1"}
    assert all(key.policy_in_force and key.verified_at for key in list_regional_keys(hooli.id))


def test_pooled_tenants_store_and_read_and_cannot_open_each_others_data(cast: Cast) -> None:
    pool = shared_pool()
    both = [cast.pooled(pool), cast.pooled(pool, stem="initrode")]
    wrapped = {}
    for tenant in both:
        caller = caller_of(tenant)
        collection = people(caller)
        where: Any = {"caller": caller, "collection": collection}
        create_record(**where, record=RecordInput("ann", {"name": "Ann", "card": "4111"}))
        with as_region("eu-west-1"):
            assert read_record(**where, record_id="ann").fields["card"] == "4111"
        keyring = Keyring(clients(), "us-east-2")
        made = keyring.generate(arn_of(tenant, "us-east-2"), context(tenant, "pci"))
        wrapped[tenant.slug] = made.encrypted_data_key
    one, other = both
    keyring = Keyring(clients(), "us-east-2")
    with pytest.raises(DecryptionFailed):
        keyring.unwrap(arn_of(one, "us-east-2"), context(one, "pci"), wrapped[other.slug])


@pytest.mark.parametrize("pairs", [{}, {"class": "pii"}, {"tenants": "x"}])
def test_without_a_tenant_in_the_context_kms_refuses(pairs: dict[str, str]) -> None:
    arn = arn_of(shared_pool(), "us-east-2")
    with pytest.raises(KeyAccessDenied):
        Keyring(clients(), "us-east-2").generate(arn, pairs)


def test_the_rules_of_a_pool_hold_for_its_tenants_in_kms_and_here(cast: Cast) -> None:
    pool = cast.pool(eu_west_1=RegionRuleInput("eu-west-1", False, ("pii",)))
    hooli = cast.pooled(pool)
    rules = {rule.region: rule for rule in list_region_rules(hooli.id)}
    assert (rules["eu-west-1"].may_encrypt, rules["eu-west-1"].may_decrypt) == (False, ("pii",))
    europe = Keyring(clients("eu-west-1"), "eu-west-1")
    home = Keyring(clients("us-east-2"), "us-east-2")
    arn = arn_of(hooli, "us-east-2")
    for name, opens in (("pii", True), ("pci", False)):
        wrapped = home.generate(arn, context(hooli, name)).encrypted_data_key
        if opens:
            europe.unwrap(arn, context(hooli, name), wrapped)
            continue
        with pytest.raises(KeyAccessDenied):
            europe.unwrap(arn, context(hooli, name), wrapped)


def test_a_change_of_a_pools_rules_reaches_its_tenants(cast: Cast) -> None:
    pool = cast.pool()
    tenants = [cast.pooled(pool), cast.pooled(pool, "us-east-2", "us-west-1", stem="initrode")]
    rule = RegionRuleInput("us-west-1", may_encrypt=False, may_decrypt=("phi",))
    change_region_rule(tenant_id=pool.id, rule=rule, actor=OPERATOR)
    run_plan(pool)
    for tenant in tenants:
        found = {one.region: one for one in list_region_rules(tenant.id)}["us-west-1"]
        assert (found.may_encrypt, found.may_decrypt) == (False, ("phi",))
        assert get_tenant(tenant.slug).key_epoch == tenant.key_epoch + 1
        start_verification(tenant_id=tenant.id, actor=OPERATOR)
        run_plan(tenant)
    assert len(list_region_rules(tenants[1].id)) == 2
    assert all(key.policy_in_force for key in list_regional_keys(pool.id))


def test_tenants_beyond_a_batch_follow_too(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.services.pool_tenants._BATCH", 2)
    pool = cast.pool()
    tenants = [cast.start_pooled(pool, "us-east-2") for _ in range(5)]
    rule = RegionRuleInput("us-east-2", may_decrypt=("pii",))
    change_region_rule(tenant_id=pool.id, rule=rule, actor=OPERATOR)
    run_plan(pool)
    assert {one.may_decrypt for tenant in tenants for one in list_region_rules(tenant.id)} == {
        ("pii",)
    }
    with fleet_scope("latest"):
        assert set(
            Tenant.objects.filter(id__in=[tenant.id for tenant in tenants]).values_list(
                "key_epoch", flat=True
            )
        ) == {2}


def test_a_pooled_tenants_own_rules_are_not_its_to_change(cast: Cast) -> None:
    hooli = cast.pooled(shared_pool(), "us-east-2")
    with pytest.raises(NeedsDedicatedKey, match="dedicated key"):
        change_region_rule(
            tenant_id=hooli.id, rule=RegionRuleInput("us-east-2", False), actor=OPERATOR
        )


def test_a_pool_has_no_people_programs_or_requests_of_its_own() -> None:
    pool = shared_pool()
    with pytest.raises(TenantIsPool):
        issue_api_key(tenant_id=pool.id, name="x", scopes=["records:read"], actor=OPERATOR)
    with pytest.raises(TenantIsPool):
        add_member(
            tenant_id=pool.id, email="a@b.org", password=None, role=MemberRole.OWNER, actor=OPERATOR
        )
    with pytest.raises(NotFound):
        get_in_process_caller(pool.id)


def test_pools_are_not_among_customers_unless_asked_for() -> None:
    pool = shared_pool()
    found = list_tenants(after=None, limit=10, search=pool.slug)
    assert found == []
    assert [
        line.tenant.slug
        for line in list_tenants(after=None, limit=10, search=pool.slug, pools=True)
    ] == [pool.slug]
    [mine] = [one for one in list_pools() if one.slug == pool.slug]
    assert mine.regions == tuple(sorted(EVERYWHERE))


def test_the_regions_that_tenants_use_are_known(cast: Cast) -> None:
    pool = cast.pool()
    assert regions_in_use(pool.id) == frozenset()
    cast.start_pooled(pool, "us-east-2", "eu-west-1")
    assert regions_in_use(pool.id) == {"us-east-2", "eu-west-1"}


def begin(pool: str, *rules: RegionRuleInput, **changed: Any) -> TenantView:
    asked: dict[str, Any] = {
        "slug": "never-made",
        "name": "Hooli",
        "home_region": rules[0].region,
        "rules": rules,
        "key": KeyInput(tier=KeyTier.POOLED, pool=pool),
        "actor": OPERATOR,
    }
    return start_onboarding(**asked | changed)


def test_what_a_pool_cannot_serve_is_refused_with_its_place(cast: Cast) -> None:
    pool = shared_pool()
    narrow = create_pool(
        slug=f"{pool.slug}-eu",
        name="Narrow",
        home_region="eu-west-1",
        rules=[RegionRuleInput("eu-west-1")],
        actor=OPERATOR,
    )
    east, europe = RegionRuleInput("us-east-2"), RegionRuleInput("eu-west-1")
    wrong: list[tuple[str, RegionRuleInput, dict[str, Any], str]] = [
        ("no-such-pool", east, {}, "/pool"),
        (cast.initech().slug, east, {}, "/pool"),
        (narrow.slug, europe, {}, "/pool"),  # not active yet
        (pool.slug, RegionRuleInput("us-east-2", False), {}, "/region_rules"),
        ("", east, {}, "/pool"),
        (pool.slug, east, {"key": KeyInput(pool=pool.slug)}, "/pool"),
        ("", east, {"key": KeyInput(tier=KeyTier.EXTERNAL)}, "/external_key"),
    ]
    for slug, rule, changed, place in wrong:
        with pytest.raises(InputInvalid) as caught:
            begin(slug, rule, **changed)
        assert place in [where for where, _ in caught.value.problems]
    run_plan(narrow)
    with pytest.raises(InputInvalid) as caught:
        begin(narrow.slug, europe, east)
    assert caught.value.problems == (("/region_rules/1/region", "must be a Region of the pool"),)


def test_the_same_again_is_the_same_tenant_and_another_key_is_not(cast: Cast) -> None:
    pool = shared_pool()
    hooli = cast.start_pooled(pool, "us-east-2", "eu-west-1")
    again: Any = {"slug": hooli.slug, "home_region": "us-east-2"}
    rules = (RegionRuleInput("eu-west-1"), RegionRuleInput("us-east-2"))
    assert begin(pool.slug, *rules, **again) == hooli
    with pytest.raises(TenantExists):
        begin(pool.slug, *rules, **again, key=KeyInput())
    with pytest.raises(TenantExists):
        begin(pool.slug, rules[1], **again)
    with pytest.raises(TenantExists):
        create_pool(
            slug=hooli.slug, name="Hooli", home_region="us-east-2", rules=rules, actor=OPERATOR
        )


def test_the_policy_of_a_pool_denies_its_revoked_tenants_and_no_other(cast: Cast) -> None:
    pool = cast.pool()
    hooli, initrode = cast.pooled(pool), cast.pooled(pool, stem="initrode")
    made = {}
    for tenant in (hooli, initrode):
        keyring = Keyring(clients(), "us-east-2")
        made[tenant.slug] = keyring.generate(
            arn_of(tenant, "us-east-2"), context(tenant, "pii")
        ).encrypted_data_key
    with fleet_scope("write"):
        Tenant.objects.filter(id=hooli.id).update(state=TenantState.REVOKED)
    for region in EVERYWHERE:
        applied = enforce_denials(pool.id, region)
        assert enforce_denials(pool.id, region) == applied
        keyring = Keyring(clients(region), region)
        with pytest.raises(KeyAccessDenied):
            keyring.unwrap(arn_of(hooli, region), context(hooli, "pii"), made[hooli.slug])
        with pytest.raises(KeyAccessDenied):
            keyring.generate(arn_of(hooli, region), context(hooli, "pii"))
        keyring.unwrap(arn_of(initrode, region), context(initrode, "pii"), made[initrode.slug])
    keys = list_regional_keys(pool.id)
    assert all(key.policy_in_force for key in keys)
    start_verification(tenant_id=initrode.id, actor=OPERATOR)
    run_plan(initrode)
    change_region_rule(
        tenant_id=pool.id, rule=RegionRuleInput("us-west-1", False, ("*",)), actor=OPERATOR
    )
    run_plan(pool)
    assert all(hooli.id.hex in str(policy_of(pool, region)) for region in EVERYWHERE)
    with fleet_scope("write"):
        Tenant.objects.filter(id=hooli.id).update(state=TenantState.ACTIVE)
    for region in EVERYWHERE:
        enforce_denials(pool.id, region)
        assert hooli.id.hex not in str(policy_of(pool, region))


def test_a_pooled_tenant_whose_data_another_could_open_is_not_verified(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = cast.start_pooled(shared_pool(), "us-east-2")
    monkeypatch.setattr("tenants.services.canary.CanaryKey.opens_for_another", lambda *_: True)
    with pytest.raises(AssertionError):
        run_plan(tenant)
    failed = step(tenant, OperationKind.VERIFY_KEY)
    assert (failed.state, failed.error["code"]) == (OperationState.FAILED, "not_verified")
    assert "another tenant" in failed.error["message"]
    assert get_tenant(tenant.slug).state == TenantState.ONBOARDING
