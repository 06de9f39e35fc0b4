"""Pools, external keys and moves, with a worker that dies at every point at which it can."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import uuid4

import pytest

from crypto.kms.clients import Plane
from tenants.models import DataKey, PreviousKey, TenantKey
from tenants.scope import tenant_scope
from tenants.selectors import (
    TenantView,
    get_tenant,
    list_audit_events,
    list_region_rules,
    list_regional_keys,
)
from tenants.services.external_keys import ExternalKeyInput, policy_templates
from tenants.services.key_choice import KeyInput
from tenants.services.key_moves import start_key_move
from tenants.services.onboarding import RegionRuleInput, create_pool, start_onboarding
from tenants.services.publication import alias_of
from tenants.services.records import RecordInput, create_record, read_record, search_records
from tenants.services.rules import change_region_rule
from tenants.states import KeyTier, TenantState
from tests.callers import caller_of, people
from tests.cast import OPERATOR, Cast, as_region, run_plan
from tests.tenants.aws import aliases_of, arn_of, clients, keys_of, parameter
from tests.tenants.chaos import killed_everywhere
from tests.tenants.external import key_owner
from tests.tenants.test_key_moves import again, fields, search_of

TWO = ("us-east-2", "eu-west-1")
OWNER = "444455556666"
RULES = [RegionRuleInput(region) for region in TWO]
pytestmark = pytest.mark.timeout(900)


@lru_cache(maxsize=1)
def shared_pool() -> TenantView:
    return Cast().pool()


def told(tenant: TenantView, action: str) -> int:
    """How many events of that kind the tenant has."""
    events = list_audit_events(tenant.id, before=None, limit=200)
    return [event.action for event in events].count(action)


def tier_of(tenant: TenantView) -> str:
    with tenant_scope(tenant.id, "latest"):
        return TenantKey.objects.get(tenant_id=tenant.id).tier


def test_making_a_pool(cast: Cast) -> None:
    def start() -> TenantView:
        return create_pool(
            slug=f"pool-{uuid4().hex[:8]}", name="Pool", home_region=TWO[0], rules=RULES, actor=OPERATOR
        )  # fmt: skip

    def check(pool: TenantView) -> None:
        made = keys_of(pool)
        assert sorted(made) == sorted(TWO)
        assert all(len(arns) == 1 for arns in made.values())
        assert get_tenant(pool.slug).state == TenantState.ACTIVE
        assert all(key.policy_in_force for key in list_regional_keys(pool.id))

    points = killed_everywhere(start, check, sample=6)
    assert {"CreateKey", "ReplicateKey"} <= {point.name for point in points if point.is_change}


def test_joining_a_pool(cast: Cast) -> None:
    pool = shared_pool()

    def check(tenant: TenantView) -> None:
        assert get_tenant(tenant.slug).state == TenantState.ACTIVE
        assert keys_of(tenant) == {}
        assert told(tenant, "pool.joined") == told(tenant, "tenant.activated") == 1
        for region in TWO:
            assert parameter(tenant, region)["value"] == str(arn_of(pool, region))

    killed_everywhere(lambda: cast.start_pooled(pool, *TWO), check)


def test_changing_the_rules_of_a_pool(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.services.pool_tenants._BATCH", 1)
    joined: dict[str, list[TenantView]] = {}
    rule = RegionRuleInput("eu-west-1", False, ("pii",))

    def start() -> TenantView:
        pool = create_pool(
            slug=f"pool-{uuid4().hex[:8]}", name="Pool", home_region=TWO[0], rules=RULES, actor=OPERATOR
        )  # fmt: skip
        run_plan(pool)
        joined[pool.slug] = [cast.start_pooled(pool, *TWO) for _ in range(2)]
        change_region_rule(tenant_id=pool.id, rule=rule, actor=OPERATOR)
        return pool

    def check(pool: TenantView) -> None:
        assert all(key.policy_in_force for key in list_regional_keys(pool.id))
        for tenant in joined[pool.slug]:
            found = {one.region: one for one in list_region_rules(tenant.id)}["eu-west-1"]
            assert (found.may_encrypt, found.may_decrypt) == (False, ("pii",))
            assert get_tenant(tenant.slug).key_epoch == 2
            assert told(tenant, "pool.followed") == 1

    killed_everywhere(start, check, sample=3)


def test_onboarding_with_an_external_key(cast: Cast) -> None:
    def start() -> TenantView:
        tenant_id = uuid4()
        arn = key_owner().make_key(policy_templates(tenant=tenant_id.hex, rules=RULES), TWO)
        return start_onboarding(
            slug=f"soylent-{tenant_id.hex[:8]}",
            name="Soylent",
            home_region=TWO[0],
            rules=RULES,
            key=KeyInput(KeyTier.EXTERNAL, "", ExternalKeyInput(str(arn), (OWNER,), tenant_id)),
            actor=OPERATOR,
        )

    def check(tenant: TenantView) -> None:
        assert get_tenant(tenant.slug).state == TenantState.ACTIVE
        assert keys_of(tenant) == {}
        assert told(tenant, "key.probed") == 2

    killed_everywhere(start, check, sample=5)


STORED: dict[str, dict[str, Any]] = {}


def with_records(tenant: TenantView) -> TenantView:
    caller = caller_of(tenant)
    where: dict[str, Any] = {"caller": caller, "collection": people(caller)}
    for number in range(2):
        create_record(**where, record=RecordInput(f"r{number}", fields(number)))
    STORED[tenant.slug] = where
    return tenant


def nothing_is_lost(tenant: TenantView) -> None:
    """Each record opens and is found in each Region, under the new key alone."""
    where = again(STORED[tenant.slug], caller_of(tenant))
    for region in TWO:
        with as_region(region):
            for number in range(2):
                assert read_record(**where, record_id=f"r{number}").fields["card"]
                [hit] = search_records(**where, where=search_of(number), limit=5).records
                assert hit.id == f"r{number}"
    with tenant_scope(tenant.id, "latest"):
        assert not PreviousKey.objects.filter(tenant_id=tenant.id).exists()
        arns = set(DataKey.objects.filter(tenant_id=tenant.id).values_list("key_arn", flat=True))
        key_id = TenantKey.objects.get(tenant_id=tenant.id).key_id
    assert all(arn.endswith(key_id) for arn in arns)
    for action in ("key.switched", "previous_key.forgotten"):
        assert told(tenant, action) == 1
    for region in TWO:
        assert parameter(tenant, region)["value"] == str(arn_of(tenant, region))


def test_moving_from_a_pool_to_a_dedicated_key(cast: Cast) -> None:
    def start() -> TenantView:
        tenant = with_records(cast.pooled(shared_pool(), *TWO))
        start_key_move(tenant_id=tenant.id, tier=KeyTier.DEDICATED, actor=OPERATOR)
        return tenant

    def check(tenant: TenantView) -> None:
        assert tier_of(tenant) == KeyTier.DEDICATED
        made = keys_of(tenant)
        assert sorted(made) == sorted(TWO)
        assert {len(arns) for arns in made.values()} == {1}
        for region, [arn] in made.items():
            assert (arn_of(tenant, region), aliases_of(arn)) == (arn, [alias_of(tenant.slug)])
        nothing_is_lost(tenant)
        assert {key.key_state for key in list_regional_keys(shared_pool().id)} == {"Enabled"}

    points = killed_everywhere(start, check, sample=8)
    changed = {point.name for point in points if point.is_change}
    assert {"CreateKey", "ReplicateKey", "CreateAlias", "PutParameter"} <= changed


def test_moving_from_a_dedicated_key_to_an_external_one(cast: Cast) -> None:
    before: dict[str, str] = {}

    def start() -> TenantView:
        tenant = with_records(cast.onboard("acme", TWO, TWO[0], {}))
        before[tenant.slug] = list_regional_keys(tenant.id)[0].arn
        arn = key_owner().make_key(policy_templates(tenant=tenant.id.hex, rules=RULES), TWO)
        start_key_move(
            tenant_id=tenant.id,
            tier=KeyTier.EXTERNAL,
            external=ExternalKeyInput(str(arn), (OWNER,)),
            actor=OPERATOR,
        )
        return tenant

    def check(tenant: TenantView) -> None:
        assert tier_of(tenant) == KeyTier.EXTERNAL
        nothing_is_lost(tenant)
        for region in TWO:
            arn = before[tenant.slug].replace(TWO[0], region)
            state = clients().kms(region, Plane.ADMIN).describe_key(KeyId=arn)["KeyMetadata"]
            assert state["KeyState"].startswith("Pending")
        assert told(tenant, "previous_key.deletion_scheduled") == 1

    points = killed_everywhere(start, check, sample=8)
    assert "ScheduleKeyDeletion" in {point.name for point in points if point.is_change}
