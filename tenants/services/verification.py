"""Verification: prove a key in each Region by its state, its key policy as KMS holds it, and canaries.

A canary is a random value, sealed as a standard message where the tenant may encrypt. Each Region then opens it with
its own role, through its own key, with no other Region to fall back on, and shows that it can, or that KMS refuses:
whichever the tenant's rule for that Region says.

Canaries have no exception in the key policies. One is classified `canary`, which no rule lists unless a tenant does, so
it opens exactly where everything may be decrypted and proves the refusal everywhere else. One more is sealed for the
first classification that each Region lists, and opens wherever it is listed. Purpose is `value`. They are random and
belong to no record, so nothing is lost when one is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast
from uuid import UUID

from django.db.models.functions import Now

from crypto.errors import KeyAccessDenied, KeyNotFound, KeyUnusable
from tenants.actor import Actor
from tenants.key_policy import Rule, difference, fingerprint, opens
from tenants.kms.key_admin import KeyDescription
from tenants.models import KeyOperation, RegionalKey, RegionRule, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.canary import CanaryKey, canary_classes
from tenants.services.clients import get_key_admin
from tenants.services.plans import Step, locked_tenant, write_plan
from tenants.services.policies import desired_policy_of, get_applied_policy, record_policy
from tenants.services.work import NotVerified, NotYet, Result, Work
from tenants.states import KeyTier, OperationKind, OperationState, PlanKind


def start_verification(*, tenant_id: UUID, actor: Actor) -> UUID:
    """Verify the tenant's key in each of its Regions now; returns the id of the plan, that of one under way if any.

    Raises `NotFound` and `TenantNotActive`.
    """
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id)
        under_way = _plan_under_way(tenant_id)
        if under_way:
            return under_way
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        record_event(tenant_id=tenant_id, actor=actor, action="verification.started")
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.VERIFICATION,
            steps=verification_steps(
                home=tenant.home_region,
                rules=rules,
                position=0,
                tier=TenantKey.objects.get(tenant_id=tenant_id).tier,
            ),
        )


def verification_steps(
    *, home: str, rules: Sequence[Rule], position: int, tier: str = KeyTier.DEDICATED
) -> list[Step]:
    """Seal the canaries at `position`, at home or where the tenant may encrypt, and open them in each Region next.

    An external key, whose policy and state we may not read, is probed in each Region instead.
    """
    if tier == KeyTier.EXTERNAL:
        return [
            Step(position, OperationKind.PROBE_EXTERNAL_KEY, rule.region, rule.region)
            for rule in rules
        ]
    may = [rule.region for rule in rules if rule.may_encrypt]
    sealing = home if home in may else may[0]
    return [
        Step(position, OperationKind.SEAL_CANARY, sealing, sealing),
        *(Step(position + 1, OperationKind.VERIFY_KEY, rule.region, rule.region) for rule in rules),
    ]


def _plan_under_way(tenant_id: UUID) -> UUID | None:
    """The newest plan, where it is a verification that will still come to an end by itself."""
    mine = KeyOperation.objects.filter(tenant_id=tenant_id)
    newest = list(mine.filter(plan_id__in=mine.order_by("-plan_id").values("plan_id")[:1]))
    states = {row.state for row in newest}
    if OperationState.FAILED in states or states <= {OperationState.DONE, OperationState.CANCELLED}:
        return None
    verifies = [row.plan_id for row in newest if row.plan == PlanKind.VERIFICATION]
    return verifies[0] if verifies else None


class SealCanary:
    """Seal the canaries of a plan."""

    # A key that was enabled just now may be refused as disabled for a moment.
    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, KeyAccessDenied, KeyUnusable)

    def perform(self, work: Work) -> Result:
        """With the role and the key of the Region that this runs in."""
        key = CanaryKey(work.tenant, work.arn)
        return {"canaries": [key.seal(name) for name in canary_classes(work.rules)]}

    def record(self, work: Work, result: Result) -> None:
        """Nothing but the result itself: the next steps of the plan read it."""


class VerifyKey:
    """Prove the key of one Region, with the role of that Region."""

    settles: ClassVar[tuple[type[Exception], ...]] = (
        KeyNotFound,
        KeyAccessDenied,
        KeyUnusable,
        NotVerified,
    )

    def perform(self, work: Work) -> Result:
        """State, policy, canaries, in this order: the first names the cause that the others would only show."""
        description = get_key_admin().describe_key(work.arn)
        _check_description(work, description)
        return {
            "arn": str(work.arn),
            "key_state": description.state,
            "fingerprint": _check_policy(work),
            **_check_use(work),
        }

    def record(self, work: Work, result: Result) -> None:
        """That it was proven, when, and by what."""
        record_policy(work, str(result["fingerprint"]))
        if not work.of_new_key:
            RegionalKey.objects.filter(tenant_id=work.tenant_id, region=work.region).update(
                key_state=result["key_state"], verified_at=Now()
            )
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.verified",
            subject=str(result["arn"]),
            detail={
                "region": work.region,
                **{name: result[name] for name in ("key_state", "encrypts", "opened", "refused")},
            },
        )


def _check_description(work: Work, key: KeyDescription) -> None:
    if key.state in ("Creating", "Updating"):
        raise NotYet(2)
    if key.state != "Enabled":
        raise NotVerified(f"The key in {work.region} is {key.state}.")
    if key.arn != work.arn or key.is_primary != work.is_primary:
        raise NotVerified(f"The key in {work.region} is not the one that we made.")


def _check_policy(work: Work) -> str:
    applied = get_applied_policy(work.arn)
    wrong = difference(desired_policy_of(work), applied)
    if wrong:
        raise NotVerified(f"The key policy in {work.region} is not as desired: {' '.join(wrong)}")
    return fingerprint(applied)


def _check_use(work: Work) -> Result:
    """What this Region's role may do is what the rule says, in both directions."""
    key, rule = CanaryKey(work.tenant, work.arn), work.rule
    if key.may_seal() != rule.may_encrypt:
        raise NotVerified(_surprise(work.region, "encrypting", allowed=rule.may_encrypt))
    sealed = work.earlier[OperationKind.SEAL_CANARY]["canaries"]
    tried: dict[bool, list[str]] = {True: [], False: []}
    for canary in cast("list[dict[str, Any]]", sealed):
        expected = opens(rule, canary["class"])
        if key.may_open(canary) != expected:
            what = f"decrypting what is classified {canary['class']}"
            raise NotVerified(_surprise(work.region, what, allowed=expected))
        if expected and work.shares_key and key.opens_for_another(canary):
            raise NotVerified(f"KMS opens the tenant's data for another tenant in {work.region}.")
        tried[expected].append(canary["class"])
    return {"encrypts": rule.may_encrypt, "opened": [*tried[True]], "refused": [*tried[False]]}


def _surprise(region: str, what: str, *, allowed: bool) -> str:
    if allowed:
        return f"KMS refuses {what} in {region}, which the rule allows."
    return f"KMS allows {what} in {region}, which the rule forbids."
