"""A Region that is left: the removal, its steps, the days that KMS waits, and what must be gone then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F

from crypto.kms.clients import Plane
from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.selectors import (
    TenantView,
    get_plan,
    get_progress,
)
from tenants.services.operations import run_operation
from tenants.services.region_removal import cancel_region_removal, start_region_removal
from tenants.states import OperationKind, OperationState
from tests.cast import (
    EVERYWHERE,
    OPERATOR,
    advance_kms_clock,
    as_region,
    let_time_pass,
    run_due,
    run_plan,
)
from tests.tenants.aws import clients, keys_of, policy_of
from tests.tenants.standing import nothing_is_published, stands_in

US, WEST, EU = EVERYWHERE
LEFT = (US, EU)
DAYS = 7


def remove(tenant: TenantView, region: str = WEST, days: int = DAYS) -> Any:
    return start_region_removal(
        tenant_id=tenant.id, region=region, waiting_days=days, actor=OPERATOR
    )


def cancel(tenant: TenantView, region: str = WEST) -> Any:
    return cancel_region_removal(tenant_id=tenant.id, region=region, actor=OPERATOR)


def run_to(tenant: TenantView, kind: OperationKind, plan: Any = None) -> None:
    """Run until the step of this kind is due or at it: nothing of it is done."""
    for _ in range(60):
        found = get_plan(tenant.id, plan) if plan else get_progress(tenant.id)
        assert not found.failed, found
        [one] = [each for each in found.operations if each.kind == kind]
        if one.state != OperationState.PLANNED:
            return
        if not run_due(tenant):
            let_time_pass(tenant)
    raise AssertionError(get_progress(tenant.id))


def let_days_pass(tenant: TenantView, days: float = DAYS + 1) -> None:
    """KMS's waiting period is over, and the worker looks again."""
    advance_kms_clock(days * 86_400)
    with tenant_scope(tenant.id, "write"):
        rows = KeyOperation.objects.filter(tenant_id=tenant.id, next_attempt_at__isnull=False)
        rows.update(next_attempt_at=F("next_attempt_at") - timedelta(days=days))


def run_to_the_end(tenant: TenantView) -> None:
    run_to(tenant, OperationKind.AWAIT_DELETED)
    run_due(tenant)
    let_days_pass(tenant)
    run_plan(tenant)


def gone_from(tenant: TenantView, region: str, left: tuple[str, ...] = LEFT) -> None:
    """Neither key, alias nor parameter there, and the other Regions' policies name neither its role nor itself."""
    stands_in(tenant, left)
    nothing_is_published(tenant, region)
    for other in left:
        assert region not in str(policy_of(tenant, other))


def state_in_kms(tenant: TenantView, region: str) -> str:
    arn = str(keys_of(tenant)[region][0])
    answer = clients().kms(region, Plane.ADMIN).describe_key(KeyId=arn)
    return str(answer["KeyMetadata"]["KeyState"])


def run_due_of(tenant: TenantView, *plans: Any) -> None:
    """`run_due` knows the newest plan; here two wait at once."""
    for plan in plans:
        for one in get_plan(tenant.id, plan).operations:
            if one.state in ("due", "running"):
                with as_region(one.run_region):
                    run_operation(tenant_id=tenant.id, operation_id=one.id)
