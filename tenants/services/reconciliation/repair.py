"""Repair: put right what drifts of a tenant's key, Region by Region, and prove it.

A machine on its own repairs what is `repairable` alone. A person may ask for more: for a key policy that allows less
than it should, and with `enable` for a disabled key. A lost key, a moved primary and a replica that nobody knows are
never repaired: what is right is not plain there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar, cast
from uuid import UUID

from django.db.models.functions import Now

from crypto.errors import KeyNotFound
from tenants.actor import Actor
from tenants.errors import KeyShared, NotFound
from tenants.models import KeyOperation, RegionalKey, RegionRule, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.clients import get_key_admin, get_key_directory
from tenants.services.plans import Step, locked_tenant, need_no_other_plan, write_plan
from tenants.services.policies import put_policy, record_policy
from tenants.services.reconciliation.checks import CHECKS, write_drift
from tenants.services.reconciliation.drift import Drift
from tenants.services.reconciliation.expected import Expected, fingerprint_of, read_expected
from tenants.services.rotation import put_rotation
from tenants.services.verification import verification_steps
from tenants.services.work import NotVerified, NotYet, Result, Work
from tenants.states import KeyTier, OperationKind, OperationState, PlanKind

# Beside these, a repair may run: they change nothing that it looks at.
_BESIDES = (PlanKind.VERIFICATION, PlanKind.REENCRYPTION, PlanKind.REPAIR)
_FINAL = (OperationState.DONE, OperationState.CANCELLED)


def start_repair(
    *,
    tenant_id: UUID,
    actor: Actor,
    regions: Collection[str] = (),
    enable: bool = False,
    unattended: bool = False,
) -> UUID:
    """Put right what drifts of the tenant's key in these Regions, or in all; returns the id of the plan, that of a
    repair under way if any.

    `enable` enables a disabled key too: only a person asks for that. Raises `NotFound` (also for a Region without a
    key), `TenantNotActive`, `PlanUnderWay`, and `KeyShared` where the key is not the tenant's own to repair.
    """
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id)
        if TenantKey.objects.get(tenant_id=tenant_id).tier != KeyTier.DEDICATED:
            raise KeyShared("The key is its pool's, or its owner's: it is repaired there.")
        need_no_other_plan(tenant_id, besides=_BESIDES)
        repairs = KeyOperation.objects.filter(tenant_id=tenant_id, plan=PlanKind.REPAIR)
        under_way = repairs.exclude(state__in=_FINAL).first()
        if under_way:
            return under_way.plan_id
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        chosen = _chosen(tenant_id, rules, regions)
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="repair.started",
            subject=", ".join(chosen),
            detail={"enable": enable, "unattended": unattended},
        )
        home = tenant.home_region
        arguments = {"enable": enable, "unattended": unattended}
        proof = [
            step
            for step in verification_steps(home=home, rules=rules, position=1)
            if step.kind != OperationKind.VERIFY_KEY or step.region in chosen
        ]
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.REPAIR,
            steps=[
                *(Step(0, OperationKind.REPAIR_KEY, region, home, arguments) for region in chosen),
                *proof,
            ],
        )


def _chosen(tenant_id: UUID, rules: Sequence[RegionRule], regions: Collection[str]) -> list[str]:
    keys = RegionalKey.objects.filter(tenant_id=tenant_id).exclude(arn="")
    there = {key.region for key in keys} & {rule.region for rule in rules}
    if not there or not there.issuperset(regions):
        raise NotFound("The tenant has no key in that Region.")
    return sorted(set(regions) or there)


class RepairKey:
    """Compare the key of one Region with what it should be, and put right what may be."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Each repair looks the same when it is done twice."""
        expected = read_expected(work.tenant_id, work.region)
        if expected is None:
            raise NotYet(5)  # revoked meanwhile: the plan is about to be paused
        found, _ = CHECKS[expected.tier](expected)
        shut_out = next((each.found for each in found if each.what == "access"), "")
        if shut_out:
            raise NotVerified(f"What the key in {work.region} is cannot be read, {shut_out}.")
        mine = [] if _is_lost(found) else [each for each in found if _may_repair(work, each)]
        for each in mine:
            _repair(work, expected, each.what)
        left = [each for each in found if each not in mine]
        return {
            "arn": str(expected.arn),
            "repaired": [each.what for each in mine],
            "left": [each.as_json() for each in left],
            "fingerprint": fingerprint_of(expected)
            if any(e.what == "policy" for e in mine)
            else "",
        }

    def record(self, work: Work, result: Result) -> None:
        """What was repaired, and what still drifts."""
        if result["fingerprint"]:
            record_policy(work, str(result["fingerprint"]))
        key = RegionalKey.objects.select_for_update().get(
            tenant_id=work.tenant_id, region=work.region
        )
        left = cast("list[dict[str, Any]]", result["left"])
        write_drift(work.tenant_id, key, left)
        key.checked_at = Now()
        key.save(update_fields=["drift", "checked_at"])
        if result["repaired"]:
            record_event(
                tenant_id=work.tenant_id,
                actor=this_worker(),
                action="key.repaired",
                subject=str(result["arn"]),
                detail={"region": work.region, "what": result["repaired"]},
            )


def _is_lost(found: Sequence[Drift]) -> bool:
    """Whether the key is gone, or on its way out: then nothing about it can be put right."""
    return any(
        each.what == "key" or (each.what == "state" and each.found != "Disabled") for each in found
    )


def _may_repair(work: Work, drift: Drift) -> bool:
    if drift.what == "state":
        return bool(work.arguments.get("enable")) and drift.found == "Disabled"
    if drift.what == "policy":
        return drift.repairable or not work.arguments.get("unattended")
    return drift.repairable


def _repair(work: Work, expected: Expected, what: str) -> None:
    """One thing. The comparison names the policy and the state before what needs them."""
    admin, arn = get_key_admin(), expected.arn
    match what:
        case "state":
            admin.enable_key(arn)
        case "policy":
            put_policy(work)
        case "alias":
            admin.put_alias(arn=arn, alias=expected.alias)
        case "tags":
            admin.put_tags(arn=arn, tags=expected.tags)
        case "rotation":
            put_rotation(tenant_id=work.tenant_id, arn=arn)
        case "parameter":
            directory = get_key_directory()
            directory.publish(region=work.region, name=expected.parameter, arn=arn)
