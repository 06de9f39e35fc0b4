"""The moment at which a tenant's key is another one. Before it the old key seals and opens, after it the new one seals,
and both open."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from django.db.models import F
from django.db.models.functions import Now

from crypto.context import Purpose
from tenants.key_policy import fingerprint
from tenants.models import (
    DataKey,
    KeyOperation,
    PreviousKey,
    RegionalKey,
    RegionRule,
    Tenant,
    TenantKey,
)
from tenants.services.audit import record_event, this_worker
from tenants.services.index_keys import apply_rewrapped
from tenants.services.policies import desired_policy
from tenants.services.work import NotVerified, Result, Work
from tenants.states import DataKeyState, KeyRole, KeyTier, OperationKind, OperationState

_PROOFS = (OperationKind.VERIFY_KEY, OperationKind.PROBE_EXTERNAL_KEY)


class SwitchKey:
    """Make the new key the tenant's. All of it happens in one transaction in our own tables."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def perform(self, work: Work) -> Result:
        """The new key is proven in each Region: earlier steps have seen to that."""
        return {
            "arn": str(work.arns[work.primary_region]),
            "tier": work.tier,
            "regions": [*sorted(work.arns)],
        }

    def record(self, work: Work, result: Result) -> None:
        """Rows, previous key, index keys, data keys and key epoch, all at once.

        The lock on the tenant's key keeps out whoever stores a data key under the old one (`tenants.data_keys`): who
        comes later finds that it is not the current one any more.
        """
        key = TenantKey.objects.select_for_update().get(tenant_id=work.tenant_id)
        proven = _proven(work)
        before = _keep(work, key)
        arn = work.arns[work.primary_region]
        key.tier, key.key_id, key.pool = work.tier, arn.key_id, None
        key.primary_region = work.primary_region
        made = work.earlier.get(OperationKind.CREATE_PRIMARY_KEY, {})
        key.key_material_id = str(made.get("key_material_id", ""))
        key.on_demand_rotations = 0
        key.save()
        for region, found in proven.items():
            RegionalKey.objects.filter(tenant_id=work.tenant_id, region=region).update(
                arn=str(work.arns[region]),
                role=found.get("role") or _role(work, region),
                key_state=found["key_state"],
                desired_fingerprint=found.get("fingerprint", ""),
                applied_fingerprint=found.get("fingerprint", ""),
                verified_at=Now(),
                checked_at=None,
                drift=[],
                deletion_date=None,
            )
        _let_data_keys_go(work)
        Tenant.objects.filter(id=work.tenant_id).update(key_epoch=F("key_epoch") + 1)
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.switched",
            subject=str(arn),
            detail={"from": before, "tier": work.tier, "regions": result["regions"]},
        )


def _proven(work: Work) -> dict[str, dict[str, str]]:
    """What each Region's proof has found. Raises `NotVerified` unless it is a proof of what the rules are now."""
    rules = list(RegionRule.objects.filter(tenant_id=work.tenant_id))
    steps = KeyOperation.objects.filter(
        tenant_id=work.tenant_id,
        plan_id=work.plan_id,
        kind__in=_PROOFS,
        state=OperationState.DONE,
    )
    proven = {step.region: step.result for step in steps}
    if {rule.region for rule in rules} != set(proven) & set(work.arns):
        raise NotVerified("The new key is not proven in each of the tenant's Regions.")
    if work.tier == KeyTier.DEDICATED:
        for region, found in proven.items():
            policy = desired_policy(tenant=work.tenant, region=region, rules=rules)
            if found["fingerprint"] != fingerprint(policy):
                raise NotVerified(
                    "The rules have changed since the new key was proven. Cancel the move and start it again."
                )
    return proven


def _keep(work: Work, key: TenantKey) -> str:
    """Let the key go on opening, and return its ARN: that of its primary, or of its first Region."""
    regional = RegionalKey.objects.filter(tenant_id=work.tenant_id).exclude(arn="")
    first = min(regional, key=lambda each: (each.role != KeyRole.PRIMARY, each.region))
    PreviousKey.objects.create(tenant_id=work.tenant_id, arn=first.arn, tier=key.tier)
    return first.arn


def _role(work: Work, region: str) -> str:
    return KeyRole.PRIMARY if region == work.primary_region else KeyRole.REPLICA


def _let_data_keys_go(work: Work) -> None:
    """No data key of the old key seals from here on. The index keys go over to the new key: the plan has wrapped them
    by it. One that was made since is opened by the old key until a later step has wrapped it too."""
    with suppress(NotVerified):
        apply_rewrapped(
            tenant_id=work.tenant_id,
            plan_id=work.plan_id,
            destination=work.arns[work.primary_region],
        )
    sealing = DataKey.objects.filter(tenant_id=work.tenant_id).exclude(purpose=Purpose.INDEX)
    sealing.exclude(state=DataKeyState.RETIRED).update(state=DataKeyState.RETIRED)
