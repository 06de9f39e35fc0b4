"""Rules change Region by Region: proven where they matter, then everywhere, and taken back where that is safe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from crypto.errors import KeyAccessDenied, KeyUnavailable
from tenants.errors import PlanUnderWay
from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.selectors import (
    TenantView,
    get_plan,
    get_progress,
    get_tenant,
    list_audit_events,
    list_region_rules,
    list_regional_keys,
)
from tenants.services.handlers import HANDLERS
from tenants.services.onboarding import RegionRuleInput
from tenants.services.operations import retry_operation, run_operation
from tenants.services.plans import Step, need_no_other_plan, write_plan
from tenants.services.rules import change_region_rule
from tenants.services.work import NotVerified, Result, Work
from tenants.states import OperationKind, OperationState, PlanKind
from tests.cast import EVERYWHERE, OPERATOR, Cast, let_time_pass, run_due, run_plan
from tests.tenants.aws import policy_of
from tests.tenants.chaos import Moment, killed_everywhere
from tests.tenants.plans import handled_by, run, step

US, WEST, EU = EVERYWHERE
VERIFY, APPLY = OperationKind.VERIFY_KEY, OperationKind.APPLY_KEY_POLICY
NARROW = RegionRuleInput(EU, may_encrypt=False, may_decrypt=("pii",))
WIDE = RegionRuleInput(EU, may_encrypt=False, may_decrypt=("pci", "pii"))


def change(tenant: TenantView, rule: RegionRuleInput) -> None:
    change_region_rule(tenant_id=tenant.id, rule=rule, actor=OPERATOR)


def narrow_acme(cast: Cast) -> TenantView:
    return cast.acme(eu_west_1=NARROW)


def rule_of(tenant: TenantView, region: str) -> tuple[bool, tuple[str, ...]]:
    [found] = [rule for rule in list_region_rules(tenant.id) if rule.region == region]
    return found.may_encrypt, found.may_decrypt


def policies(tenant: TenantView) -> dict[str, Any]:
    return {key.region: policy_of(tenant, key.region) for key in list_regional_keys(tenant.id)}


@dataclass
class Failing:
    """The real handler, which fails where the test says."""

    kind: OperationKind
    fails: Callable[[Work], bool]
    error: Exception
    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def __post_init__(self) -> None:
        self.real = HANDLERS[self.kind]

    def perform(self, work: Work) -> Result:
        result = self.real.perform(work)  # it was done, and does not prove itself
        if self.fails(work):
            raise self.error
        return result

    def record(self, work: Work, result: Result) -> None:
        self.real.record(work, result)


def is_wide(work: Work) -> bool:
    """While the change is in force; what was taken back proves itself."""
    return any("pci" in rule.may_decrypt for rule in work.rules)


@contextmanager
def failing(
    kind: OperationKind,
    region: str,
    when: Callable[[Work], bool] = is_wide,
    error: Exception | None = None,
) -> Iterator[None]:
    """Let that step of that Region fail for good."""
    why = error or NotVerified(f"KMS refuses decrypting in {region}, which the rule allows.")
    with handled_by({kind: Failing(kind, lambda work: work.region == region and when(work), why)}):
        yield


def run_to_the_end(tenant: TenantView) -> None:
    """Until it is finished or has failed."""
    for _ in range(60):
        progress = get_progress(tenant.id)
        if progress.is_finished or progress.failed:
            return
        if not run_due(tenant):
            let_time_pass(tenant)
    raise AssertionError(get_progress(tenant.id))


def actions(tenant: TenantView) -> list[str]:
    return [one.action for one in list_audit_events(tenant.id, before=None, limit=100)]


def test_the_region_concerned_proves_itself_before_any_other_policy_is_touched(cast: Cast) -> None:
    acme = narrow_acme(cast)
    before = policies(acme)
    change(acme, WIDE)
    while step(acme, VERIFY, EU).state != OperationState.DONE:
        now = policies(acme)
        assert (now[US], now[WEST]) == (before[US], before[WEST])
        run_due(acme)
    run_plan(acme)
    assert all(policies(acme)[region] != before[region] for region in EVERYWHERE)
    verified = [one for one in get_progress(acme.id).operations if one.kind == VERIFY]
    assert {(one.position, one.region) for one in verified} == {(2, EU)} | {
        (5, region) for region in EVERYWHERE
    }


def test_a_tenant_of_one_region_is_proven_once(cast: Cast) -> None:
    globex = cast.globex()
    change(globex, RegionRuleInput(EU, may_decrypt=("pii",)))
    kinds = [one.kind for one in run_plan(globex).operations]
    assert kinds == [APPLY, OperationKind.SEAL_CANARY, VERIFY]


def is_taken_back(acme: TenantView, before: dict[str, Any], reached: set[str]) -> None:
    """The rule and all policies are as before, proven where they had changed, and the plan says so."""
    progress = get_progress(acme.id)
    assert progress.is_finished
    assert progress.is_rolled_back
    assert rule_of(acme, EU) == (False, ("pii",))
    assert policies(acme) == before
    assert all(key.policy_in_force for key in list_regional_keys(acme.id))
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch + 2
    back = [one for one in progress.operations if one.kind == OperationKind.ROLL_BACK_RULES]
    assert {one.region for one in back} == reached
    assert {one.state for one in back} == {OperationState.DONE}
    proven = [one for one in progress.operations if one.kind == VERIFY and one.state == "done"]
    assert reached <= {one.region for one in proven if one.position > back[0].position}
    with tenant_scope(acme.id, "write"):
        need_no_other_plan(acme.id)


def test_a_change_that_only_allows_more_and_does_not_prove_itself_is_taken_back(cast: Cast) -> None:
    acme = narrow_acme(cast)
    before = policies(acme)
    change(acme, WIDE)
    with failing(VERIFY, EU):
        run_to_the_end(acme)
    is_taken_back(acme, before, {EU})
    failed = next(one for one in get_progress(acme.id).operations if one.error)
    assert (failed.kind, failed.state) == (VERIFY, OperationState.CANCELLED)
    assert failed.error["code"] == "not_verified"
    events = list_audit_events(acme.id, before=None, limit=30)
    [event] = [one for one in events if one.action == "rule.rolled_back"]
    assert (event.subject, event.actor_kind) == (EU, "system")
    assert event.detail["restored"] == [
        {"region": EU, "may_encrypt": False, "may_decrypt": ["pii"]}
    ]
    assert event.detail["reason"]["message"] == failed.error["message"]


def test_the_rule_is_restored_in_the_moment_of_the_failure_and_kms_follows(cast: Cast) -> None:
    """What the gateways obey is in our tables: they need not wait for a Region that is away."""
    acme = narrow_acme(cast)
    change(acme, WIDE)
    with failing(VERIFY, EU):
        while not get_progress(acme.id).is_rolled_back:
            if not run_due(acme):
                let_time_pass(acme)
    assert rule_of(acme, EU) == (False, ("pii",))
    assert not next(key for key in list_regional_keys(acme.id) if key.region == EU).policy_in_force


def test_a_region_that_does_not_prove_itself_later_takes_the_change_back_everywhere(
    cast: Cast,
) -> None:
    acme = narrow_acme(cast)
    before = policies(acme)
    change(acme, WIDE)
    with failing(VERIFY, WEST):
        run_to_the_end(acme)
    is_taken_back(acme, before, set(EVERYWHERE))


def test_a_policy_that_kms_refuses_takes_the_change_back_too(cast: Cast) -> None:
    acme = narrow_acme(cast)
    before = policies(acme)
    change(acme, WIDE)
    with failing(APPLY, US, error=KeyAccessDenied("kms:PutKeyPolicy in us-east-2 was refused.")):
        run_to_the_end(acme)
    is_taken_back(acme, before, {EU, US})


def test_a_policy_on_its_way_when_another_fails_does_not_stay(cast: Cast) -> None:
    """West has put the new policy and is about to write it down when us-east-2 fails for good."""
    acme = narrow_acme(cast)
    before = policies(acme)
    change(acme, WIDE)
    while step(acme, APPLY, WEST).state == OperationState.PLANNED:
        run_due(acme)
    real = HANDLERS[APPLY]

    class Slow(Failing):
        def perform(self, work: Work) -> Result:
            if work.region == US:
                raise self.error
            result = real.perform(work)
            if is_wide(work):
                other = step(acme, APPLY, US)
                run(acme, other)
                assert get_progress(acme.id).is_rolled_back
            return result

    slow = Slow(APPLY, is_wide, KeyAccessDenied("refused"))
    with handled_by({APPLY: slow}):
        run(acme, step(acme, APPLY, WEST))
    run_to_the_end(acme)
    is_taken_back(acme, before, set(EVERYWHERE))


TIGHTER = [
    RegionRuleInput(EU, may_encrypt=False, may_decrypt=()),
    RegionRuleInput(EU, may_encrypt=True, may_decrypt=("pci",)),
]


@pytest.mark.parametrize("rule", TIGHTER)
def test_a_change_that_takes_anything_away_is_never_undone_and_says_what_is_in_force_where(
    cast: Cast, rule: RegionRuleInput
) -> None:
    acme = narrow_acme(cast)
    before = policies(acme)
    change(acme, rule)
    with failing(VERIFY, EU, when=lambda _: True):
        run_to_the_end(acme)
    progress = get_progress(acme.id)
    assert (progress.failed, progress.is_rolled_back) == (1, False)
    assert rule_of(acme, EU) == (rule.may_encrypt, rule.may_decrypt)
    assert get_tenant(acme.slug).key_epoch == acme.key_epoch + 1
    now = policies(acme)
    assert now[EU] != before[EU]
    assert (now[US], now[WEST]) == (before[US], before[WEST])
    assert (
        step(acme, VERIFY, EU)
        .error["message"]
        .endswith(
            "In force: the new key policy in eu-west-1; the previous one in us-east-2, us-west-1."
        )
    )
    retry_operation(tenant_id=acme.id, operation_id=step(acme, VERIFY, EU).id, actor=OPERATOR)
    assert run_plan(acme).is_finished
    assert step(acme, VERIFY, EU).error == {}


def test_the_same_rule_again_changes_nothing_that_could_be_taken_back(cast: Cast) -> None:
    acme = narrow_acme(cast)
    change(acme, NARROW)
    with failing(VERIFY, EU, when=lambda _: True):
        run_to_the_end(acme)
    assert (get_progress(acme.id).failed, get_progress(acme.id).is_rolled_back) == (1, False)


def test_a_way_back_that_fails_stops_and_goes_on_when_asked(cast: Cast) -> None:
    acme = narrow_acme(cast)
    before = policies(acme)
    change(acme, WIDE)
    back = OperationKind.ROLL_BACK_RULES
    with failing(VERIFY, EU), failing(back, EU, lambda _: True, KeyAccessDenied("refused")):
        run_to_the_end(acme)
    assert step(acme, back, EU).state == OperationState.FAILED
    assert rule_of(acme, EU) == (False, ("pii",))
    retry_operation(tenant_id=acme.id, operation_id=step(acme, back, EU).id, actor=OPERATOR)
    run_plan(acme)
    is_taken_back(acme, before, {EU})


def test_an_outage_takes_nothing_back(cast: Cast) -> None:
    acme = narrow_acme(cast)
    change(acme, WIDE)
    with failing(VERIFY, EU, error=KeyUnavailable("no answer")):
        for _ in range(12):
            if not run_due(acme):
                let_time_pass(acme)
    assert not get_progress(acme.id).is_rolled_back
    run_plan(acme)
    assert rule_of(acme, EU) == (False, ("pci", "pii"))


def test_a_later_change_takes_over_what_an_earlier_one_has_not_proven(cast: Cast) -> None:
    """The second widens another Region and fails: neither of the two was ever proven, so neither stays."""
    acme = cast.acme(eu_west_1=NARROW, us_west_1=RegionRuleInput(WEST, may_decrypt=("pii",)))
    before = policies(acme)
    change(acme, WIDE)
    run_due(acme)
    first = get_progress(acme.id).plan_id
    assert first
    change(acme, RegionRuleInput(WEST, may_decrypt=("pci", "pii")))
    assert get_plan(acme.id, first).is_finished
    with failing(VERIFY, EU):
        run_to_the_end(acme)
    assert rule_of(acme, EU) == (False, ("pii",))
    assert rule_of(acme, WEST) == (True, ("pii",))
    assert policies(acme) == before


def test_a_change_that_follows_one_that_tightened_and_failed_undoes_neither(cast: Cast) -> None:
    acme = cast.acme(us_west_1=RegionRuleInput(WEST, may_decrypt=("pii",)))
    change(acme, RegionRuleInput(EU, may_decrypt=("pii",)))
    with failing(VERIFY, EU, when=lambda _: True):
        run_to_the_end(acme)
        change(acme, RegionRuleInput(WEST, may_decrypt=("pci", "pii")))
        run_to_the_end(acme)
    assert not get_progress(acme.id).is_rolled_back
    assert rule_of(acme, EU) == (True, ("pii",))
    assert rule_of(acme, WEST) == (True, ("pci", "pii"))


def test_a_step_of_an_earlier_change_that_fails_late_takes_nothing_back(cast: Cast) -> None:
    acme = narrow_acme(cast)
    change(acme, WIDE)
    first = step(acme, APPLY, EU)

    class Late(Failing):
        def perform(self, work: Work) -> Result:
            change(acme, RegionRuleInput(EU))
            raise self.error

    with handled_by({APPLY: Late(APPLY, is_wide, KeyAccessDenied("refused"))}):
        run_operation(tenant_id=acme.id, operation_id=first.id)
    with tenant_scope(acme.id, "latest"):
        assert KeyOperation.objects.get(id=first.id).state == OperationState.CANCELLED
    run_plan(acme)
    assert rule_of(acme, EU) == (True, ("*",))
    assert "rule.rolled_back" not in actions(acme)


def test_rules_wait_while_the_regions_of_the_tenant_change(cast: Cast) -> None:
    acme = narrow_acme(cast)
    with tenant_scope(acme.id, "write"):
        write_plan(
            tenant_id=acme.id,
            plan=PlanKind.REGION_ADDED,
            steps=[Step(0, OperationKind.AWAIT_ENABLED, US, US)],
        )
    with pytest.raises(PlanUnderWay):
        change(acme, WIDE)
    assert rule_of(acme, EU) == (False, ("pii",))


def test_a_worker_may_be_killed_at_every_point_of_the_way_back(cast: Cast) -> None:
    started: dict[Any, dict[str, Any]] = {}

    def start() -> TenantView:
        tenant = cast.onboard("back", (US, EU), US, {"eu_west_1": NARROW})
        started[tenant.id] = policies(tenant)
        change(tenant, WIDE)
        return tenant

    def check(tenant: TenantView) -> None:
        is_taken_back(tenant, started[tenant.id], {EU})
        assert actions(tenant).count("rule.rolled_back") == 1

    with failing(VERIFY, EU):
        points = killed_everywhere(start, check, sample=4)
    changed = [point for point in points if point.is_change]
    assert [(point.moment, point.name) for point in changed].count(
        (Moment.AFTER, "PutKeyPolicy")
    ) == 2
