"""Regions of a pool, of its tenants, and of an external key: each changes what is its own, and no more."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tenants.errors import InputInvalid, KeyShared, RegionNotAllowed, RegionNotDispensable
from tenants.kms.key_directory import KeyDirectory
from tenants.models import TenantKey
from tenants.scope import fleet_scope
from tenants.selectors import (
    TenantView,
    get_progress,
    get_tenant,
    list_region_rules,
    list_regional_keys,
)
from tenants.services.external_keys import ExternalKeyInput, policy_templates
from tenants.services.key_choice import KeyInput
from tenants.services.onboarding import RegionRuleInput, create_pool, start_onboarding
from tenants.services.operations import retry_operation
from tenants.services.promotion import start_promotion
from tenants.services.publication import parameter_of
from tenants.services.region_addition import start_region_addition
from tenants.services.region_removal import cancel_region_removal, start_region_removal
from tenants.states import KeyTier, OperationKind
from tests.cast import EVERYWHERE, OPERATOR, Cast, let_time_pass, run_due, run_plan
from tests.tenants.app import App
from tests.tenants.aws import arn_of, clients, keys_of
from tests.tenants.external import key_owner
from tests.tenants.leaving import run_to_the_end
from tests.tenants.plans import step

US, WEST, EU = EVERYWHERE


def add(tenant: TenantView, region: str, **rule: Any) -> Any:
    given = RegionRuleInput(region, **rule)
    return start_region_addition(tenant_id=tenant.id, rule=given, actor=OPERATOR)


def remove(tenant: TenantView, region: str) -> Any:
    return start_region_removal(tenant_id=tenant.id, region=region, waiting_days=7, actor=OPERATOR)


def regions_of(tenant: TenantView) -> list[str]:
    return [rule.region for rule in list_region_rules(tenant.id)]


def publishes(tenant: TenantView, region: str) -> bool:
    directory = KeyDirectory(clients())
    return directory.find(region=region, name=parameter_of(tenant.slug)) is not None


def test_a_tenant_of_a_pool_comes_to_a_region_of_its_pool_and_leaves_it_again(cast: Cast) -> None:
    pool = cast.pool(us_west_1=RegionRuleInput(WEST, True, ("pci", "phi", "pii")))
    hooli = cast.pooled(pool, US, EU)
    app = App(hooli)
    app.write(US)
    before = keys_of(pool)
    with pytest.raises(InputInvalid, match="cannot be added"):
        add(hooli, WEST, may_decrypt=("pii",))
    add(hooli, WEST)
    run_plan(hooli)
    assert regions_of(hooli) == sorted(EVERYWHERE)
    [rule] = [one for one in list_region_rules(hooli.id) if one.region == WEST]
    assert rule.may_decrypt == ("pci", "phi", "pii")
    assert arn_of(hooli, WEST) == arn_of(pool, WEST)
    assert publishes(hooli, WEST)
    app.write(WEST)
    assert app.reads_all(WEST) == app.reads_all(EU) == 2
    assert add(hooli, WEST) is None
    remove(hooli, WEST)
    with pytest.raises(RegionNotAllowed):
        app.write(WEST)
    run_plan(hooli)
    assert regions_of(hooli) == sorted((US, EU))
    assert not publishes(hooli, WEST)
    assert [key.region for key in list_regional_keys(hooli.id)] == [US, EU]
    assert app.reads_all(EU) == 2
    assert keys_of(pool) == before
    stands_in_pool(pool)


def stands_in_pool(pool: TenantView) -> None:
    keys = list_regional_keys(pool.id)
    assert all(key.key_state == "Enabled" and key.policy_in_force for key in keys)


def test_a_tenant_of_a_pool_that_was_leaving_a_region_stays(cast: Cast) -> None:
    hooli = cast.pooled(cast.pool(), US, EU)
    app = App(hooli)
    app.write(EU)
    remove(hooli, EU)
    run_due(hooli)
    cancel_region_removal(tenant_id=hooli.id, region=EU, actor=OPERATOR)
    run_plan(hooli)
    assert app.reads_all(EU) == 1
    assert publishes(hooli, EU)


def test_a_tenant_of_a_pool_leaves_neither_its_home_nor_moves_the_primary(cast: Cast) -> None:
    hooli = cast.pooled(cast.pool(), EU, WEST)
    with pytest.raises(RegionNotDispensable, match="home"):
        remove(hooli, EU)
    with pytest.raises(KeyShared):
        start_promotion(tenant_id=hooli.id, region=WEST, actor=OPERATOR)


def test_a_pool_gets_a_region_moves_its_primary_and_leaves_a_region_that_nobody_uses(
    cast: Cast,
) -> None:
    slug = f"pool-{uuid4().hex[:8]}"
    rules = [RegionRuleInput(US), RegionRuleInput(EU)]
    pool = create_pool(slug=slug, name="Pool", home_region=US, rules=rules, actor=OPERATOR)
    run_plan(pool)
    hooli = cast.pooled(get_tenant(slug), US, EU)
    app = App(hooli)
    app.write(EU)
    with pytest.raises(InputInvalid):
        add(hooli, WEST)
    add(pool, WEST)
    run_plan(pool)
    assert sorted(keys_of(pool)) == sorted(EVERYWHERE)
    stands_in_pool(pool)
    assert step(pool, OperationKind.UPDATE_POOLED_TENANTS).state == "done"
    start_promotion(tenant_id=pool.id, region=EU, actor=OPERATOR)
    run_plan(pool)
    with fleet_scope("latest"):
        keys = TenantKey.objects.filter(tenant_id__in=[pool.id, hooli.id])
        assert set(keys.values_list("primary_region", flat=True)) == {EU}
    assert get_tenant(hooli.slug).home_region == US
    assert [key.region for key in list_regional_keys(hooli.id) if key.role == "primary"] == [EU]
    with pytest.raises(RegionNotDispensable, match="Tenants of the pool"):
        remove(pool, US)
    remove(pool, WEST)
    run_to_the_end(pool)
    assert sorted(keys_of(pool)) == sorted((US, EU))
    assert app.reads_all(US) == app.reads_all(EU) == 1
    app.write(US)


def test_an_external_key_is_added_where_its_owner_has_replicated_it() -> None:
    owner, tenant_id = key_owner(), uuid4()
    two, three = ([RegionRuleInput(region) for region in each] for each in ((US, EU), EVERYWHERE))
    arn = owner.make_key(policy_templates(tenant=tenant_id.hex, rules=two), (US, EU))
    soylent = start_onboarding(
        slug=f"soylent-{tenant_id.hex[:8]}",
        name="Soylent",
        home_region=US,
        rules=two,
        key=KeyInput(KeyTier.EXTERNAL, external=ExternalKeyInput(str(arn), ("444455556666",), tenant_id)),
        actor=OPERATOR,
    )  # fmt: skip
    run_plan(soylent)
    app = App(soylent)
    app.write(US)
    add(soylent, WEST)
    for _ in range(12):
        run_due(soylent)
        let_time_pass(soylent)
    failed = [one for one in get_progress(soylent.id).operations if one.state == "failed"]
    assert {one.kind for one in failed} == {"probe_external_key"}
    policies = policy_templates(tenant=tenant_id.hex, rules=three)
    for region in (US, EU):
        owner.paste(arn.in_region(region), policies[region])
    owner.kms(US).replicate_key(
        KeyId=str(arn), ReplicaRegion=WEST, Policy=owner.policy(policies[WEST])
    )
    let_time_pass(soylent)
    for one in failed:
        retry_operation(tenant_id=soylent.id, operation_id=one.id, actor=OPERATOR)
    run_plan(soylent)
    app.write(WEST)
    assert app.reads_all(WEST) == 2
    with pytest.raises(KeyShared):
        start_promotion(tenant_id=soylent.id, region=WEST, actor=OPERATOR)
    before = owner.kms(WEST).get_key_policy(KeyId=str(arn.in_region(WEST)), PolicyName="default")
    remove(soylent, WEST)
    run_plan(soylent)
    assert regions_of(soylent) == sorted((US, EU))
    assert not publishes(soylent, WEST)
    kept = owner.kms(WEST).get_key_policy(KeyId=str(arn.in_region(WEST)), PolicyName="default")
    assert json.loads(kept["Policy"]) == json.loads(before["Policy"])
    assert app.reads_all(EU) == 2
