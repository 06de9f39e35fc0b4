"""Onboarding: what is asked for twice is made once, bad input makes nothing, and a worker may die at any point."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connections

from crypto.errors import KeyThrottled, KeyUnavailable
from crypto.kms.clients import Plane
from tenants.errors import InputInvalid, NotFound, TenantExists
from tenants.kms.key_admin import KmsKeyAdmin
from tenants.selectors import (
    TenantView,
    get_key_id,
    get_progress,
    get_tenant,
    list_audit_events,
    list_region_rules,
    list_regional_keys,
)
from tenants.services import keys
from tenants.services.onboarding import RegionRuleInput, onboarding_steps, start_onboarding
from tenants.services.publication import alias_of
from tenants.states import OperationKind, OperationState, TenantState
from tests.cast import EVERYWHERE, OPERATOR, Cast, let_time_pass, run_due, run_plan
from tests.tenants.aws import aliases_of, clients, keys_of, parameter
from tests.tenants.chaos import Moment, killed_everywhere
from tests.tenants.plans import Killed, row, run, step

TWO = ("us-east-2", "eu-west-1")


def begin(slug: str, **changed: Any) -> TenantView:
    asked: dict[str, Any] = {
        "slug": slug,
        "name": "Acme",
        "home_region": "us-east-2",
        "rules": [RegionRuleInput(region) for region in TWO],
        "actor": OPERATOR,
    }
    return start_onboarding(**asked | changed)


def stands_once(tenant: TenantView, regions: tuple[str, ...] = EVERYWHERE) -> None:
    """One multi-Region key: one regional key, one alias and one parameter in each Region, and nothing anywhere else."""
    found = keys_of(tenant)
    assert sorted(found) == sorted(regions)
    assert all(len(arns) == 1 for arns in found.values()), found
    assert {arn.key_id for arns in found.values() for arn in arns} == {get_key_id(tenant.id)}
    for region in regions:
        assert aliases_of(found[region][0]) == [alias_of(tenant.slug)]
        assert parameter(tenant, region)["value"] == str(found[region][0])
    assert {key.region: key.arn for key in list_regional_keys(tenant.id)} == {
        region: str(arns[0]) for region, arns in found.items()
    }


def test_acme_becomes_active_with_one_key_in_each_of_its_regions(cast: Cast) -> None:
    acme = cast.acme()
    assert acme.state == TenantState.ACTIVE
    assert acme.activated_at
    stands_once(acme)
    regional = list_regional_keys(acme.id)
    assert [key.role for key in regional] == ["primary", "replica", "replica"]
    assert all(
        key.policy_in_force and key.verified_at and key.key_state == "Enabled" for key in regional
    )


def test_globex_has_a_key_in_its_one_region_and_nowhere_else(cast: Cast) -> None:
    globex = cast.globex()
    stands_once(globex, ("eu-west-1",))


def test_the_primary_rotates_and_every_key_carries_its_tags(cast: Cast) -> None:
    acme = cast.acme()
    home = clients().kms("us-east-2", Plane.ADMIN)
    rotation = home.get_key_rotation_status(KeyId=str(keys_of(acme)["us-east-2"][0]))
    assert rotation["KeyRotationEnabled"]
    for region, [arn] in keys_of(acme).items():
        answer = clients().kms(region, Plane.ADMIN).list_resource_tags(KeyId=str(arn))
        tags = {tag["TagKey"]: tag["TagValue"] for tag in answer["Tags"]}
        assert tags["mrk-gateway:tenant"] == acme.slug
        assert {"mrk-gateway:operation", "mrk-gateway:environment", "mrk-gateway:tenant-id"} < set(
            tags
        )


def test_the_same_again_is_the_same_tenant_however_far_it_is(cast: Cast) -> None:
    tenant = cast.initech()
    again: dict[str, Any] = {
        "name": "Initech",
        "rules": [RegionRuleInput(region) for region in EVERYWHERE],
    }
    assert begin(tenant.slug, **again) == tenant
    plan = get_progress(tenant.id).plan_id
    run_plan(tenant)
    assert begin(tenant.slug, **again).state == TenantState.ACTIVE
    assert get_progress(tenant.id).plan_id == plan
    events = [event.action for event in list_audit_events(tenant.id, before=None, limit=50)]
    assert events.count("tenant.onboarding_started") == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Other"},
        {"home_region": "eu-west-1"},
        {"rules": [RegionRuleInput("us-east-2")]},
        {"rules": [RegionRuleInput("us-east-2"), RegionRuleInput("eu-west-1", may_encrypt=False)]},
        {
            "rules": [
                RegionRuleInput("us-east-2"),
                RegionRuleInput("eu-west-1", may_decrypt=("pii",)),
            ]
        },
    ],
)
def test_another_tenant_of_the_same_slug_is_refused(cast: Cast, changed: dict[str, Any]) -> None:
    slug = cast.initech().slug + "x"
    begin(slug)
    with pytest.raises(TenantExists):
        begin(slug, **changed)


def test_fifty_requests_for_one_slug_make_one_tenant_and_one_plan(cast: Cast) -> None:
    slug = cast.initech().slug + "y"
    found: list[TenantView] = []

    def ask() -> None:
        try:
            found.append(begin(slug))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 50
    assert len({tenant.id for tenant in found}) == 1
    kinds = [one.kind for one in get_progress(found[0].id).operations]
    assert kinds.count(OperationKind.CREATE_PRIMARY_KEY) == 1


TOO_MANY = tuple(f"c{n}" for n in range(17))
BAD: list[tuple[dict[str, Any], str]] = [
    ({"slug": "Acme"}, "/slug"),
    ({"slug": "a"}, "/slug"),
    ({"slug": "acme/../x"}, "/slug"),
    ({"slug": "acme\n"}, "/slug"),
    ({"name": ""}, "/name"),
    ({"name": "a\nb"}, "/name"),
    ({"name": "x" * 201}, "/name"),
    ({"home_region": "mars-north-1"}, "/home_region"),
    ({"home_region": "us-west-1"}, "/home_region"),
    ({"rules": []}, "/region_rules"),
    ({"rules": [RegionRuleInput("us-east-2"), RegionRuleInput("us-east-2")]}, "/region_rules/1/region"),
    ({"rules": [RegionRuleInput("us-east-2"), RegionRuleInput("mars-north-1")]}, "/region_rules/1/region"),
    ({"rules": [RegionRuleInput("us-east-2", may_encrypt=False)]}, "/region_rules"),
    ({"rules": [RegionRuleInput("us-east-2", may_decrypt=("*", "pii"))]}, "/region_rules/0/may_decrypt"),
    ({"rules": [RegionRuleInput("us-east-2", may_decrypt=("P I I",))]}, "/region_rules/0/may_decrypt"),
    ({"rules": [RegionRuleInput("us-east-2", may_decrypt=("pii", "pii"))]}, "/region_rules/0/may_decrypt"),
    ({"rules": [RegionRuleInput("us-east-2", may_decrypt=TOO_MANY)]}, "/region_rules/0/may_decrypt"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "place"), BAD)
def test_bad_input_names_its_place_and_makes_nothing(changed: dict[str, Any], place: str) -> None:
    slug = changed.get("slug", "never-made")
    with pytest.raises(InputInvalid) as caught:
        begin(slug, **{name: value for name, value in changed.items() if name != "slug"})
    assert place in [where for where, _ in caught.value.problems]
    with pytest.raises(NotFound):
        get_tenant(slug)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InputInvalid) as caught:
        begin("X", name="", home_region="nowhere", rules=[RegionRuleInput("mars-north-1", False)])
    places = {where for where, _ in caught.value.problems}
    assert places == {"/slug", "/name", "/home_region", "/region_rules/0/region", "/region_rules"}


def stands_active_once(tenant: TenantView) -> None:
    """All of it is made once, and said once."""
    assert get_tenant(tenant.slug).state == TenantState.ACTIVE
    stands_once(tenant, TWO)
    actions = [event.action for event in list_audit_events(tenant.id, before=None, limit=100)]
    for action in ("key.created", "key.replicated", "tenant.activated"):
        assert actions.count(action) == 1


def test_a_worker_may_be_killed_at_every_point_of_onboarding(cast: Cast) -> None:
    """Whatever was made and not yet written down is found again: one key, one replica, one alias, one parameter."""
    points = killed_everywhere(
        lambda: cast.start("killed", TWO, "us-east-2", {}), stands_active_once
    )
    changed = {point.name for point in points if point.is_change}
    assert {"CreateKey", "ReplicateKey", "CreateAlias", "PutParameter"} <= changed
    committed = {point.name for point in points if point.moment is Moment.STEP}
    assert {step.partition(" ")[0] for step in committed} == {
        step.kind
        for step in onboarding_steps(home="us-east-2", rules=[RegionRuleInput("us-east-2")])
    } | {OperationKind.REPLICATE_KEY}


def test_a_lost_message_costs_time_and_no_work(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies after its commit and before it has sent what is due: the sweep finds it in the table."""
    tenant = cast.start("killed", TWO, "us-east-2", {})
    monkeypatch.setattr("tenants.services.plans.enqueue_operation", lambda **_: None)
    run_plan(tenant)
    stands_once(tenant, TWO)


def test_a_key_whose_answer_was_lost_is_found_by_its_tag_and_no_second_one_is_made(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = cast.start("lost", TWO, "us-east-2", {})
    create = KmsKeyAdmin.create_primary_key

    def lose(self: KmsKeyAdmin, **arguments: Any) -> Any:
        create(self, **arguments)
        raise KeyUnavailable("kms:CreateKey in us-east-2: no answer (ReadTimeoutError).")

    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "create_primary_key", lose)
        run_due(tenant)
    assert step(tenant, OperationKind.CREATE_PRIMARY_KEY).error["code"] == "key_unavailable"
    run_plan(tenant)
    stands_once(tenant, TWO)


def test_after_an_unanswered_call_no_key_is_made_before_the_tag_index_had_time(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index shows the first key late. Until SETTLE_SECONDS have passed, `not found` is not believed."""
    tenant = cast.start("late", TWO, "us-east-2", {})
    first = step(tenant, OperationKind.CREATE_PRIMARY_KEY)
    made: list[str] = []

    def lose(self: KmsKeyAdmin, **_: Any) -> Any:
        made.append("key")
        raise KeyUnavailable("kms:CreateKey in us-east-2: no answer (ReadTimeoutError).")

    monkeypatch.setattr(KmsKeyAdmin, "create_primary_key", lose)
    monkeypatch.setattr(KmsKeyAdmin, "find_key_by_tag", lambda *_, **__: None)
    run(tenant, first)
    for _ in range(3):
        let_time_pass(tenant)
        waiting = run(tenant, first)
        assert (waiting.state, waiting.error) == (OperationState.DUE, {})
    assert made == ["key"]
    assert "create_called_at" in row(tenant, first.id).result
    monkeypatch.setattr(keys, "_SETTLE", keys._SETTLE * 0)
    let_time_pass(tenant)
    run(tenant, first)
    assert made == ["key", "key"]


def test_a_call_that_was_throttled_has_made_no_key_and_is_made_again_soon(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = cast.start("throttled", TWO, "us-east-2", {})
    first = step(tenant, OperationKind.CREATE_PRIMARY_KEY)

    def refuse(self: KmsKeyAdmin, **_: Any) -> Any:
        raise KeyThrottled("kms:CreateKey in us-east-2 was refused: ThrottlingException.")

    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "create_primary_key", refuse)
        assert run(tenant, first).error["code"] == "key_unavailable"
    let_time_pass(tenant)
    assert run(tenant, first).state == OperationState.DONE


def test_two_keys_with_one_operations_tag_stop_the_plan_and_say_so(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = cast.start("twins", TWO, "us-east-2", {})
    create = KmsKeyAdmin.create_primary_key

    def twice(self: KmsKeyAdmin, **arguments: Any) -> Any:
        create(self, **arguments)
        create(self, **arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(KmsKeyAdmin, "create_primary_key", twice)
        with pytest.raises(Killed):
            run_due(tenant)
    let_time_pass(tenant)
    run_due(tenant)
    failed = step(tenant, OperationKind.CREATE_PRIMARY_KEY)
    assert (failed.state, failed.error["code"]) == (OperationState.FAILED, "key_already_exists")
    assert get_tenant(tenant.slug).state == TenantState.ONBOARDING


def test_rules_are_kept_as_they_were_asked_for(cast: Cast) -> None:
    tenant = begin(
        cast.initech().slug + "z",
        rules=[
            RegionRuleInput("us-east-2", True, ("pii", "pci")),
            RegionRuleInput("eu-west-1", False, ()),
        ],
    )
    assert [
        (rule.region, rule.may_encrypt, rule.may_decrypt) for rule in list_region_rules(tenant.id)
    ] == [
        ("eu-west-1", False, ()),
        ("us-east-2", True, ("pci", "pii")),
    ]
