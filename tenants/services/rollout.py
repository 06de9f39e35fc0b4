"""The rollout of a change of Region rules: first in the Region concerned, proven there, and only then in the others.

    policy of the Region concerned -> canaries -> that Region proves itself -> the others' policies -> all prove theirs

What happens when a step fails for good depends on the change (docs/adr/0008-staged-rules.md). One that only allowed
more is taken back at once and by itself: nobody had it before. One that takes anything away stays: undoing it would
open what somebody wanted closed. The plan then stops, and says which rule is in force where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from crypto.errors import KeyNotFound
from crypto.part import JsonValue
from tenants.key_policy import Rule, widens
from tenants.models import KeyOperation, RegionRule, Tenant
from tenants.selectors.keys import RuleView
from tenants.services.audit import record_event, this_worker
from tenants.services.claims import Plan
from tenants.services.plans import Step, make_due
from tenants.services.policies import desire_policies, put_policy, record_policy
from tenants.services.rule_owners import following_steps
from tenants.services.verification import verification_steps
from tenants.services.work import Result, Work
from tenants.states import KeyTier, OperationKind, OperationState, PlanKind

_PREVIOUS = "previous"
# What changes nothing in KMS may be given up while it runs; a policy on its way must be seen to its end.
_HARMLESS = (OperationKind.SEAL_CANARY, OperationKind.VERIFY_KEY)
_UNBEGUN = (OperationState.PLANNED, OperationState.DUE, OperationState.PAUSED)


class RollBackRules:
    """Put the policy in force again that the restored rules ask for, in one Region that the change had reached."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """The rules are restored already: from here on it is a policy like any other."""
        return {
            "arn": str(work.arn),
            "fingerprint": put_policy(work),
            "reason": work.arguments["reason"],
        }

    def record(self, work: Work, result: Result) -> None:
        """That it is in force again."""
        record_policy(work, str(result["fingerprint"]))
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.policy_rolled_back",
            subject=str(result["arn"]),
            detail={"region": work.region, "fingerprint": result["fingerprint"]},
        )


def rollout_steps(
    *,
    tenant: Tenant,
    tier: KeyTier,
    concerned: str,
    rules: Sequence[Rule],
    previous: Sequence[Rule],
) -> list[Step]:
    """The plan. `rules` are all rules as they are now, `previous` those that were changed as they were before."""
    home = tenant.home_region
    followers = following_steps(tenant, 0)
    if tier == KeyTier.EXTERNAL:
        # Its policy is its owner's: the probes say what is still to be changed there.
        return verification_steps(home=home, rules=rules, position=0, tier=tier) + followers
    kept: dict[str, JsonValue] = {_PREVIOUS: [_as_json(rule) for rule in previous]}
    first = [
        Step(0, OperationKind.APPLY_KEY_POLICY, concerned, home, kept),
        *followers,
        *_proof(home, rules, [concerned], 1),
    ]
    others = [rule.region for rule in rules if rule.region != concerned]
    if not others:
        return first
    return [
        *first,
        *(Step(3, OperationKind.APPLY_KEY_POLICY, region, home) for region in others),
        *_proof(home, rules, [rule.region for rule in rules], 4),
    ]


def supersede_rollouts(tenant_id: UUID) -> list[RuleView]:
    """Give up what has not begun of earlier changes of rules, in the caller's write scope: a new one carries all rules
    to all Regions. Returns the rules that they had changed and not proven, as they were before the first of them.

    A step that runs at this moment ends by itself: it finds that the rules have changed and does it again.
    """
    plans = KeyOperation.objects.filter(tenant_id=tenant_id, plan=PlanKind.RULE_CHANGE)
    final = (OperationState.DONE, OperationState.CANCELLED)
    open_plans = plans.exclude(state__in=final).values("plan_id")
    rows = list(plans.filter(plan_id__in=open_plans).order_by("id").select_for_update())
    _cancel(row for row in rows if row.state in (*_UNBEGUN, OperationState.FAILED))
    before: dict[str, RuleView] = {}
    taken_back = {row.plan_id for row in rows if row.kind == OperationKind.ROLL_BACK_RULES}
    for row in rows:
        for rule in _previous([row]) if row.plan_id not in taken_back else ():
            before.setdefault(rule.region, rule)
    return list(before.values())


def after_failure(work: Work, plan: Plan) -> None:
    """A step of a rollout has failed for good: take the change back, or say what is in force where.

    In the transaction that writes the failure, with the plan locked.
    """
    rows, own = plan.rows, plan.own
    newer = KeyOperation.objects.filter(
        tenant_id=own.tenant_id, plan=PlanKind.RULE_CHANGE, plan_id__gt=own.plan_id
    )
    if newer.exists():
        _cancel([own])  # a later change has taken over what this one was about
        return
    if any(row.kind == OperationKind.ROLL_BACK_RULES for row in rows):
        return  # the way back failed: it is tried again on request
    previous = _previous(rows)
    now = {rule.region: rule for rule in work.rules}
    if previous and all(widens(before, now[before.region]) for before in previous):
        _take_back(plan, previous)
    elif previous:
        own.error["message"] += f" {_in_force(rows)}"
        own.save(update_fields=["error"])


def _take_back(plan: Plan, previous: Sequence[RuleView]) -> None:
    """Restore the rules at once, in our tables, which the gateways obey; then in KMS, where the change has been."""
    own, tenant_id = plan.own, plan.own.tenant_id
    tenant = Tenant.objects.get(id=tenant_id)
    reached = [
        row.region
        for row in plan.rows
        if row.kind == OperationKind.APPLY_KEY_POLICY and row.attempts > 0
    ]
    for before in previous:
        RegionRule.objects.filter(tenant_id=tenant_id, region=before.region).update(
            may_encrypt=before.may_encrypt, may_decrypt=list(before.may_decrypt)
        )
    rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
    desire_policies(tenant, rules)
    Tenant.objects.filter(id=tenant_id).update(key_epoch=F("key_epoch") + 1)
    _cancel(
        row
        for row in plan.rows
        if row.state in (*_UNBEGUN, OperationState.FAILED)
        or (row.state == OperationState.RUNNING and row.kind in _HARMLESS)
    )
    reason = {"kind": own.kind, "region": own.region, **own.error}
    position = max(row.position for row in plan.rows) + 1
    _append(plan, _way_back(tenant, rules, reached, reason, position))
    record_event(
        tenant_id=tenant_id,
        actor=this_worker(),
        action="rule.rolled_back",
        subject=", ".join(rule.region for rule in previous),
        detail={"restored": [_as_json(rule) for rule in previous], "reason": reason},
    )


def _way_back(
    tenant: Tenant,
    rules: Sequence[Rule],
    reached: Sequence[str],
    reason: Mapping[str, Any],
    position: int,
) -> list[Step]:
    home, why = tenant.home_region, {"reason": dict(reason)}
    return [
        *(Step(position, OperationKind.ROLL_BACK_RULES, region, home, why) for region in reached),
        *following_steps(tenant, position),
        *_proof(home, rules, reached, position + 1),
    ]


def _append(plan: Plan, steps: Sequence[Step]) -> None:
    """More steps for a plan under way. The first are due at once: a policy that is on its way to another Region need
    not arrive first, and one on its way to the same is put again, since the rules have changed. The last wait for both.
    """
    more = [
        KeyOperation(
            tenant_id=plan.own.tenant_id,
            plan_id=plan.own.plan_id,
            plan=plan.own.plan,
            kind=step.kind,
            region=step.region,
            run_region=step.run_region,
            position=step.position,
            arguments=dict(step.arguments),
        )
        for step in steps
    ]
    make_due(more)
    KeyOperation.objects.bulk_create(more)


def _proof(home: str, rules: Sequence[Rule], regions: Sequence[str], position: int) -> list[Step]:
    """The steps that prove these Regions, whatever Region seals the canaries."""
    return [
        step
        for step in verification_steps(home=home, rules=rules, position=position)
        if step.kind != OperationKind.VERIFY_KEY or step.region in regions
    ]


def _cancel(rows: Iterable[KeyOperation]) -> None:
    for row in rows:
        row.state, row.next_attempt_at, row.finished_at = OperationState.CANCELLED, None, Now()
        row.save(update_fields=["state", "next_attempt_at", "finished_at"])


def _in_force(rows: Sequence[KeyOperation]) -> str:
    """Which policy each Region has, as far as the steps know."""
    applied = [row for row in rows if row.kind == OperationKind.APPLY_KEY_POLICY]
    new = [row.region for row in applied if row.state == OperationState.DONE]
    old = [row.region for row in applied if not row.attempts]
    open_ = [row.region for row in applied if row.region not in (*new, *old)]
    told = [
        f"{what} in {', '.join(sorted(regions))}"
        for what, regions in (
            ("the new key policy", new),
            ("the previous one", old),
            ("one of the two", open_),
        )
        if regions
    ]
    return f"In force: {'; '.join(told)}."


def _previous(rows: Iterable[KeyOperation]) -> list[RuleView]:
    found: Iterable[Any] = (each for row in rows for each in row.arguments.get(_PREVIOUS, ()))
    return [
        RuleView(each["region"], each["may_encrypt"], tuple(each["may_decrypt"])) for each in found
    ]


def _as_json(rule: Rule) -> dict[str, Any]:
    return {
        "region": rule.region,
        "may_encrypt": rule.may_encrypt,
        "may_decrypt": list(rule.may_decrypt),
    }
