"""Removing a Region from a tenant, and taking that back while KMS still waits to delete the key.

The gateway stops serving the tenant there at once. Its key is deleted only when it is proven that the remaining Regions
open all that is stored, and their key policies no longer name the Region; and KMS waits a week at least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from crypto.part import JsonValue
from tenants.actor import Actor
from tenants.errors import InputInvalid, NotFound, PlanUnderWay, RegionNotDispensable
from tenants.models import DataKey, KeyOperation, RegionalKey, RegionRule, Tenant
from tenants.scope import tenant_scope
from tenants.selectors.pools import regions_in_use
from tenants.services.audit import record_event, this_worker
from tenants.services.deletion import LEAST_DAYS, MOST_DAYS
from tenants.services.dispensability import find_stranded, refuse_stranded
from tenants.services.key_ownership import settled_key
from tenants.services.plans import Step, locked_tenant, need_no_other_plan, write_plan
from tenants.services.policies import desire_policies
from tenants.services.region_addition import find_plan, return_steps
from tenants.services.rules import rule_problems
from tenants.services.verification import verification_steps
from tenants.services.work import Result, Work
from tenants.states import (
    DataKeyState,
    KeyTier,
    OperationKind,
    OperationState,
    PlanKind,
)

# Steps of a removal that change nothing in KMS: those that run may be overtaken.
_LOOKING: Final = (
    *(OperationKind.SEAL_CANARY, OperationKind.PROVE_DISPENSABLE),
    *(OperationKind.VERIFY_KEY, OperationKind.AWAIT_DELETED),
)


def start_region_removal(
    *, tenant_id: UUID, region: str, waiting_days: int = MOST_DAYS, actor: Actor
) -> UUID:
    """Stop serving the tenant in `region`, and plan the deletion of its key there after `waiting_days` (7 to 30).

    A pool's key and an external one stay, and only this tenant's use of them ends. Returns the id of the plan, that of
    the one under way for the same again. Raises `InputInvalid`, `NotFound` where
    the tenant has no key in that Region, `TenantNotActive`, `PlanUnderWay`, `PreviousKeyInUse`, and
    `RegionNotDispensable` for the home Region, the last that may encrypt, the only one that opens a class of
    what is stored, and one that tenants of a pool use.
    """
    if not LEAST_DAYS <= waiting_days <= MOST_DAYS:
        problem = ("/waiting_days", f"must be {LEAST_DAYS} to {MOST_DAYS}")
        raise InputInvalid("The Region cannot be removed.", [problem])
    # A tenant that comes to use it there at this very moment cannot prove the key any more, and is never served.
    in_use = regions_in_use(tenant_id)
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id)
        tier = KeyTier(settled_key(tenant).tier)
        key = _regional_key(tenant_id, region)
        if under_way := find_plan(tenant_id, PlanKind.REGION_REMOVED, region):
            return under_way
        need_no_other_plan(tenant_id)
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        leaving = next((rule for rule in rules if rule.region == region), None)
        remaining = [rule for rule in rules if rule.region != region]
        if leaving is None:  # an earlier removal was given up
            rule = _rule_before(tenant_id, region)
        else:
            rule = {"may_encrypt": leaving.may_encrypt, "may_decrypt": list(leaving.may_decrypt)}
            _need_others(tenant, leaving, remaining)
            if region in in_use:
                raise RegionNotDispensable(f"Tenants of the pool are served in {region}.")
            leaving.delete()
        _stop_serving(tenant, region)
        if tier == KeyTier.DEDICATED:
            desire_policies(tenant, remaining)
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="region.removal_started",
            subject=region,
            detail={"waiting_days": waiting_days, **rule},
        )
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.REGION_REMOVED,
            steps=removal_steps(
                tenant,
                region,
                rule=rule,
                remaining=remaining,
                waiting_days=waiting_days,
                serves=leaving is not None and key.verified_at is not None,
                tier=tier,
            ),
        )


def removal_steps(
    tenant: Tenant,
    region: str,
    *,
    rule: Mapping[str, JsonValue],
    remaining: Sequence[RegionRule],
    waiting_days: int,
    serves: bool,
    tier: KeyTier = KeyTier.DEDICATED,
) -> list[Step]:
    """The plan. The proof comes before anything is changed in KMS; what cannot be taken back comes last.

    `serves`: the key can be used, so that the Region seals a canary with it for the proof.
    """
    home = tenant.home_region
    proof: dict[str, JsonValue] = {"leaving": region, "rule": dict(rule)}
    sealed_there = serves and bool(rule["may_encrypt"])
    proven = [
        *([Step(0, OperationKind.SEAL_CANARY, region, region)] if sealed_there else []),
        *(_prove(each.region, proof, counts=each.region == home) for each in remaining),
    ]
    if tier != KeyTier.DEDICATED:  # the key stays: it is not the tenant's, or not ours
        return [
            *proven,
            Step(2, OperationKind.WITHDRAW_KEY, region, home),
            Step(3, OperationKind.FORGET_REGION, region, home, proof),
        ]
    return [
        *proven,
        *(Step(2, OperationKind.APPLY_KEY_POLICY, each.region, home) for each in remaining),
        *verification_steps(home=home, rules=remaining, position=3),
        Step(5, OperationKind.WITHDRAW_KEY, region, home),
        Step(6, OperationKind.SCHEDULE_DELETION, region, home, {"waiting_days": waiting_days}),
        Step(7, OperationKind.AWAIT_DELETED, region, home),
        Step(8, OperationKind.FORGET_REGION, region, home, proof),
    ]


def cancel_region_removal(*, tenant_id: UUID, region: str, actor: Actor) -> UUID:
    """Keep the key of a Region that the tenant was leaving, with the rule that it had; returns the id of the plan.

    The Region serves again when its key is proven again. Raises `NotFound` where the tenant is not leaving it, or has
    left it, `TenantNotActive`, `InputInvalid` where the rule no longer fits the others, and `PlanUnderWay` while
    another plan runs, or a step of the removal at this very moment.
    """
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id)
        tier = KeyTier(settled_key(tenant).tier)
        _regional_key(tenant_id, region)
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        if region in [rule.region for rule in rules]:
            if under_way := find_plan(tenant_id, PlanKind.REGION_ADDED, region):
                return under_way
            raise NotFound("The tenant is not leaving that Region.")
        _give_up(tenant_id, region)
        need_no_other_plan(tenant_id)
        rules.append(_restore_rule(tenant_id, region, rules))
        RegionalKey.objects.filter(tenant_id=tenant_id, region=region).update(verified_at=None)
        if tier == KeyTier.DEDICATED:
            desire_policies(tenant, rules)
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="region.removal_cancelled",
            subject=region,
        )
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.REGION_ADDED,
            steps=return_steps(tenant, region, rules, tier),
        )


class ForgetRegion:
    """Strike the deleted key off the tenant's keys."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def perform(self, work: Work) -> Result:
        """All of it happens in our own tables."""
        return {"region": work.region}

    def record(self, work: Work, result: Result) -> None:
        """The row goes; audit events and the finished plan still tell of the key."""
        RegionalKey.objects.filter(tenant_id=work.tenant_id, region=work.region).delete()
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="region.removed",
            subject=str(result["region"]),
        )


def _regional_key(tenant_id: UUID, region: str) -> RegionalKey:
    key = RegionalKey.objects.filter(tenant_id=tenant_id, region=region).first()
    if key is None:
        raise NotFound("The tenant has no key in that Region.")
    return key


def _prove(region: str, proof: Mapping[str, JsonValue], *, counts: bool) -> Step:
    return Step(1, OperationKind.PROVE_DISPENSABLE, region, region, {**proof, "counts": counts})


def _need_others(tenant: Tenant, leaving: RegionRule, remaining: Sequence[RegionRule]) -> None:
    region = leaving.region
    if region == tenant.home_region:
        raise RegionNotDispensable(
            f"{region} is the tenant's home, with the primary of its key: move it first."
        )
    if not any(rule.may_encrypt for rule in remaining):
        raise RegionNotDispensable(f"No Region but {region} may encrypt.")
    refuse_stranded(region, find_stranded(tenant.id, leaving, remaining))


def _stop_serving(tenant: Tenant, region: str) -> None:
    """Caches drop with the key epoch; and no data key that the Region has made seals anything new, should it return."""
    Tenant.objects.filter(id=tenant.id).update(key_epoch=F("key_epoch") + 1)
    live = [DataKeyState.ACTIVE, DataKeyState.PRIVATE]
    keys = DataKey.objects.filter(tenant_id=tenant.id, region=region, state__in=live)
    keys.update(state=DataKeyState.RETIRED)


def _give_up(tenant_id: UUID, region: str) -> None:
    """Cancel what is left of the removal, unless it is too late, or a worker may be changing something just now."""
    plan_id = find_plan(tenant_id, PlanKind.REGION_REMOVED, region)
    if plan_id is None:
        return  # given up before, which left the rule away
    rows = KeyOperation.objects.filter(tenant_id=tenant_id, plan_id=plan_id).select_for_update()
    kinds = {OperationKind(row.kind): row for row in rows}
    awaited = kinds.get(OperationKind.AWAIT_DELETED)
    if awaited is not None and awaited.state == OperationState.DONE:
        raise NotFound("The key in that Region is deleted already.")
    running = rows.filter(state=OperationState.RUNNING, next_attempt_at__gt=Now())
    if running.exclude(kind__in=_LOOKING).exists():
        raise PlanUnderWay("A step of the removal runs at this moment: try again in half a minute.")
    rows.exclude(state=OperationState.DONE).update(
        state=OperationState.CANCELLED, next_attempt_at=None, finished_at=Now()
    )


def _restore_rule(tenant_id: UUID, region: str, rules: Sequence[RegionRule]) -> RegionRule:
    rule = RegionRule(tenant_id=tenant_id, region=region, **_rule_before(tenant_id, region))
    problems = rule_problems([*rules, rule])
    if problems:
        raise InputInvalid("The Region cannot be kept.", problems)
    rule.save(force_insert=True)
    return rule


def _rule_before(tenant_id: UUID, region: str) -> dict[str, Any]:
    """The rule of a Region that the tenant is leaving, as the newest plan for that has written it down."""
    plans = KeyOperation.objects.filter(
        tenant_id=tenant_id, kind=OperationKind.FORGET_REGION, region=region
    )
    rule: dict[str, Any] = plans.order_by("-plan_id").values_list("arguments", flat=True)[0]["rule"]
    return rule
