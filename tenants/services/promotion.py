"""Moving the primary of a tenant's key to another of its Regions.

The primary is where replicas are made from, where the rotation is set, and the tenant's home: where its plans run.
It is no outage tool: KMS moves a primary only where it is and only while both Regions answer. Nor does an outage need
it: every Region opens and seals with its own key, primary or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final
from uuid import UUID

from crypto.errors import KeyNotFound, KeyUnavailable, KeyUnusable
from tenants.actor import Actor
from tenants.errors import NotFound, PrimaryUnreachable, RegionNotReady
from tenants.kms.key_admin import KeyDescription
from tenants.models import RegionalKey, RegionRule, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.claims import note
from tenants.services.clients import get_key_admin
from tenants.services.key_ownership import own_key
from tenants.services.plans import Step, locked_tenant, need_no_other_plan, write_plan
from tenants.services.region_addition import find_plan
from tenants.services.rule_owners import following_steps
from tenants.services.verification import verification_steps
from tenants.services.work import NotYet, Result, Work
from tenants.states import KeyRole, OperationKind, PlanKind

_BUSY: Final = ("Creating", "Updating")


def start_promotion(*, tenant_id: UUID, region: str, actor: Actor) -> UUID | None:
    """Plan to make the key in `region` the primary; returns the id of the plan, None where it is that already.

    The same again returns the plan that is under way. Raises `NotFound` where the tenant has no rule for that Region,
    `RegionNotReady` before its key is proven, `TenantNotActive`, `PlanUnderWay`, and what `own_key` raises.
    """
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id)
        key = own_key(tenant)
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        if region not in [rule.region for rule in rules]:
            raise NotFound("The tenant has no key in that Region.")
        if under_way := find_plan(tenant_id, PlanKind.PROMOTION, region):
            return under_way
        if key.primary_region == region:
            return None
        regional = RegionalKey.objects.filter(tenant_id=tenant_id, region=region)
        if not regional.exclude(arn="").filter(verified_at__isnull=False).exists():
            raise RegionNotReady(f"The tenant's key in {region} is not proven yet.")
        need_no_other_plan(tenant_id)
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="primary.move_started",
            subject=region,
            detail={"from": key.primary_region},
        )
        return write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.PROMOTION,
            steps=promotion_steps(tenant, old=key.primary_region, new=region, rules=rules),
        )


def promotion_steps(
    tenant: Tenant, *, old: str, new: str, rules: Sequence[RegionRule]
) -> list[Step]:
    """The plan, run by workers of the new Region: where the old one is down, they at least say so.

    Key policies name no roles of keys, and rotation is the key's as a whole, so that neither changes.
    """
    return [
        Step(0, OperationKind.UPDATE_PRIMARY_REGION, new, new),
        *(Step(1, OperationKind.AWAIT_ENABLED, region, new) for region in (old, new)),
        *verification_steps(home=new, rules=rules, position=2),
        *(replace(step, region=new, run_region=new) for step in following_steps(tenant, 4)),
    ]


class UpdatePrimaryRegion:
    """Make the key of this Region the primary, and follow in our tables when KMS says that it is."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, PrimaryUnreachable)

    def perform(self, work: Work) -> Result:
        """Ask both keys first. `NotYet` while KMS changes them; raises `PrimaryUnreachable` and `KeyUnusable`."""
        admin = get_key_admin()
        key = admin.describe_key(work.arn)
        if not key.is_primary:
            primary = _reachable(work, key.primary_region or work.primary_region)
            for each in (primary, key):
                _need_enabled(each)
            note(work, update_called=True)  # not by whoever lost the claim
            admin.update_primary_region(primary=primary.arn, region=work.region)
            raise NotYet(2)
        if key.state in _BUSY:
            raise NotYet(2)
        return {"from": work.primary_region, "arn": str(key.arn)}

    def record(self, work: Work, result: Result) -> None:
        """Primary, roles and home Region, all at once."""
        keys = RegionalKey.objects.filter(tenant_id=work.tenant_id)
        keys.exclude(region=work.region).update(role=KeyRole.REPLICA)
        keys.filter(region=work.region).update(role=KeyRole.PRIMARY)
        TenantKey.objects.filter(tenant_id=work.tenant_id).update(primary_region=work.region)
        Tenant.objects.filter(id=work.tenant_id).update(home_region=work.region)
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="primary.moved",
            subject=str(result["arn"]),
            detail={"from": result["from"], "to": work.region},
        )


def _reachable(work: Work, region: str) -> KeyDescription:
    """The primary, as KMS of its Region describes it."""
    try:
        return get_key_admin().describe_key(work.arn.in_region(region))
    except KeyUnavailable as error:
        raise PrimaryUnreachable(
            f"KMS in {region} does not answer, and only there can the primary be moved away."
            " Moving it is no remedy for an outage: the other Regions go on with their own keys."
        ) from error


def _need_enabled(key: KeyDescription) -> None:
    if key.state in _BUSY:
        raise NotYet(2)
    if key.state != "Enabled":
        raise KeyUnusable(f"The key in {key.arn.region} is {key.state}, and must be Enabled.")
