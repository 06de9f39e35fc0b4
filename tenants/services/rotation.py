"""Rotation of a tenant's key in KMS: each so many days, and on demand.

KMS keeps the key's id and all old material, so nothing becomes unreadable by a rotation and nothing must be done at
once. What it changes is what is encrypted from now on; `renewal` says how the rest follows.

RotateKeyOnDemand takes no idempotency token, and a key has 25 rotations on demand in its life. So the key materials
that are there are written down before the call, and a later try looks for one that is not among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final, cast
from uuid import UUID

from django.utils import timezone

from crypto.arn import KeyArn
from crypto.errors import KeyNotFound
from tenants.actor import Actor
from tenants.errors import InputInvalid, KeyShared, RotationsUsedUp
from tenants.kms.key_admin import KeyMaterial
from tenants.models import RegionRule, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.call_budget import await_turn
from tenants.services.claims import note
from tenants.services.clients import get_key_admin
from tenants.services.plans import Step, locked_tenant, need_no_other_plan, write_plan
from tenants.services.renewal import reencryption_steps, renewal_steps
from tenants.services.rule_owners import following_steps
from tenants.services.work import NotYet, Result, Work
from tenants.states import KeyTier, OperationKind, PlanKind, TenantKind

# AWS KMS API Reference, "EnableKeyRotation" (RotationPeriodInDays) and "RotateKeyOnDemand".
SHORTEST_DAYS, LONGEST_DAYS = 90, 2560
MOST_ON_DEMAND: Final = 25
# How long after an unanswered call KMS may still show nothing of it.
_SETTLE = timedelta(seconds=30)
# KMS rotates nothing on demand within the 20 minutes before an automatic rotation.
_SOON: Final = timedelta(minutes=21)


def set_rotation(*, tenant_id: UUID, days: int, actor: Actor) -> UUID:
    """Let KMS rotate the key each so many days (90 to 2560), or never by itself (0). Returns the id of the plan.

    Raises `InputInvalid`, `NotFound`, `TenantNotActive`, `KeyShared` and `PlanUnderWay`.
    """
    if days != 0 and not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        rule = f"must be {SHORTEST_DAYS} to {LONGEST_DAYS}, or 0 for no automatic rotation"
        raise InputInvalid("The key cannot be rotated so often.", [("/days", rule)])
    with tenant_scope(tenant_id, "write"):
        tenant, key = _own_key(tenant_id)
        key.rotation_days = days
        key.save(update_fields=["rotation_days"])
        record_event(tenant_id=tenant_id, actor=actor, action="rotation.set", detail={"days": days})
        steps = [
            Step(0, OperationKind.SET_ROTATION, key.primary_region, tenant.home_region),
            *following_steps(tenant, 1),
        ]
        return write_plan(tenant_id=tenant_id, plan=PlanKind.ROTATION, steps=steps)


def rotate_key(*, tenant_id: UUID, actor: Actor, reencrypt: bool = False) -> UUID:
    """Give the key new material now, then replace the data keys and wrap the index keys anew; with `reencrypt` also
    re-encrypt all records. Returns the id of the plan.

    A pool has no data keys and no records of its own: those of its tenants are replaced when they expire, or on demand.
    Raises `NotFound`, `TenantNotActive`, `KeyShared`, `PlanUnderWay`, `InputInvalid` for a pool that is to be
    re-encrypted, and `RotationsUsedUp` after 25 of them.
    """
    with tenant_scope(tenant_id, "write"):
        tenant, key = _own_key(tenant_id)
        _check_budget(key.on_demand_rotations)
        steps = [
            Step(0, OperationKind.ROTATE_KEY, key.primary_region, tenant.home_region),
            *_afterwards(tenant, key, reencrypt=reencrypt),
        ]
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="rotation.started",
            detail={"reencrypt": reencrypt},
        )
        return write_plan(tenant_id=tenant_id, plan=PlanKind.ROTATION, steps=steps)


def put_rotation(*, tenant_id: UUID, arn: KeyArn) -> int:
    """Make KMS rotate the primary as often as the tenant wishes; returns the days, 0 for never. Opens its own scope."""
    with tenant_scope(tenant_id, "latest"):
        days = TenantKey.objects.get(tenant_id=tenant_id).rotation_days
    admin = get_key_admin()
    found = admin.get_rotation(arn)
    # Setting it again would count the days from now on: a key that is published each month would never rotate.
    if (found.period_days if found.enabled else 0) != days:
        if days:
            admin.enable_rotation(arn, period_days=days)
        else:
            admin.disable_rotation(arn)
    return days


class SetRotation:
    """Put the tenant's setting into KMS, at the primary; all related keys share it."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """What the tenant wishes at this moment."""
        return {"arn": str(work.arn), "days": put_rotation(tenant_id=work.tenant_id, arn=work.arn)}

    def record(self, work: Work, result: Result) -> None:
        """That it is in force, unless another wish has come meanwhile: then all is done again."""
        if TenantKey.objects.get(tenant_id=work.tenant_id).rotation_days != result["days"]:
            raise NotYet(1)
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.rotation_set",
            subject=str(result["arn"]),
            detail={"days": result["days"]},
        )


class RotateKey:
    """Rotate on demand, once, and wait until every Region has the new material."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Look for the rotation of an earlier try, and make one only where there is none."""
        materials = get_key_admin().list_key_materials(work.arn)
        if not _is_rotated(work, materials):
            _rotate_once(work, materials)
            raise NotYet(1)
        current = next(each.id for each in materials if each.current)
        described = map(get_key_admin().describe_key, work.arns.values())
        if {each.key_material_id for each in described} != {current}:
            raise NotYet(2)
        return {
            "arn": str(work.arn),
            "key_material_id": current,
            "on_demand_rotations": _used(materials),
        }

    def record(self, work: Work, result: Result) -> None:
        """The new material, and how many rotations on demand are used up."""
        TenantKey.objects.filter(tenant_id=work.tenant_id).update(
            key_material_id=result["key_material_id"],
            on_demand_rotations=result["on_demand_rotations"],
        )
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.rotated",
            subject=str(result["arn"]),
            detail={name: result[name] for name in ("key_material_id", "on_demand_rotations")},
        )


def _is_rotated(work: Work, materials: Sequence[KeyMaterial]) -> bool:
    """Whether there is material that an earlier try has made."""
    if "before" not in work.found:
        return False
    before = cast("list[str]", work.found["before"])
    return any(each.on_demand and each.id not in before for each in materials)


def _rotate_once(work: Work, materials: Sequence[KeyMaterial]) -> None:
    """Call RotateKeyOnDemand, unless KMS may still be at what an earlier try has called for."""
    rotation = get_key_admin().get_rotation(work.arn)
    called = work.found.get("rotate_called_at")
    if rotation.on_demand_since or (
        called and timezone.now() - datetime.fromisoformat(str(called)) < _SETTLE
    ):
        raise NotYet(5)
    if rotation.next_at and rotation.next_at - timezone.now() < _SOON:
        raise NotYet(60)
    _check_budget(_used(materials))
    before = work.found.get("before") or [each.id for each in materials]
    await_turn(work.region, "RotateKeyOnDemand")
    note(work, before=before, rotate_called_at=timezone.now().isoformat())
    get_key_admin().rotate_now(work.arn)


def _afterwards(tenant: Tenant, key: TenantKey, *, reencrypt: bool) -> list[Step]:
    if tenant.kind == TenantKind.POOL:
        if reencrypt:
            rule = "must be false for a pool: re-encrypt its tenants, one by one"
            raise InputInvalid("A pool has no records.", [("/reencrypt", rule)])
        return following_steps(tenant, 1)
    rules = list(RegionRule.objects.filter(tenant_id=tenant.id).order_by("region"))
    home, first = tenant.home_region, key.primary_region
    steps = renewal_steps(home=home, first=first, rules=rules, position=1)
    if reencrypt:
        steps += reencryption_steps(home=home, first=first, rules=rules, position=3)
    return steps


def _used(materials: Sequence[KeyMaterial]) -> int:
    return sum(each.on_demand for each in materials)


def _check_budget(used: int) -> None:
    if used >= MOST_ON_DEMAND:
        raise RotationsUsedUp(f"All {MOST_ON_DEMAND} rotations on demand of this key are used up.")


def _own_key(tenant_id: UUID) -> tuple[Tenant, TenantKey]:
    """The tenant, locked, and its key, which must be one that we may rotate for it, in the caller's write scope."""
    tenant = locked_tenant(tenant_id)
    need_no_other_plan(tenant_id)
    key = TenantKey.objects.get(tenant_id=tenant_id)
    if key.tier == KeyTier.POOLED:
        raise KeyShared("The key belongs to a pool: rotate it there.")
    if key.tier == KeyTier.EXTERNAL:
        raise KeyShared("The key belongs to the tenant's own account: it is rotated there.")
    return tenant, key
