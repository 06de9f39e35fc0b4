"""Whose rules they are to change, and who follows when they do."""

from __future__ import annotations

from tenants.errors import NeedsDedicatedKey, PlanUnderWay, PreviousKeyInUse
from tenants.models import KeyOperation, PreviousKey, Tenant, TenantKey
from tenants.services.plans import Step
from tenants.states import KeyTier, OperationKind, OperationState, PlanKind, TenantKind

_FINAL = (OperationState.DONE, OperationState.CANCELLED)


def own_rules(tenant: Tenant) -> KeyTier:
    """The tier of the tenant's key, whose rules are its own to change, in the caller's write scope.

    Raises `NeedsDedicatedKey` where they are a pool's; `PlanUnderWay` while the tenant moves to another key, and
    `PreviousKeyInUse` as long as one from before opens some of its data: its key policy would keep the rules of today.
    """
    key = TenantKey.objects.get(tenant_id=tenant.id)
    if key.tier == KeyTier.POOLED:
        raise NeedsDedicatedKey(
            "The tenant shares the key of a pool and follows its rules. Move it to a dedicated key first."
        )
    moving = KeyOperation.objects.filter(tenant_id=tenant.id, plan=PlanKind.KEY_MOVE)
    if moving.exclude(state__in=_FINAL).exists():
        raise PlanUnderWay("The tenant is moving to another key. Wait for it, or cancel it.")
    if PreviousKey.objects.filter(tenant_id=tenant.id).exists():
        raise PreviousKeyInUse(
            "A key that the tenant had before still opens some of its data. Let that be forgotten first."
        )
    return KeyTier(key.tier)


def following_steps(tenant: Tenant, position: int) -> list[Step]:
    """What a pool's plan has beside its own steps when its key or its rules change: its tenants follow. Nothing for
    anybody else."""
    if tenant.kind != TenantKind.POOL:
        return []
    home = tenant.home_region
    return [Step(position, OperationKind.UPDATE_POOLED_TENANTS, home, home)]
