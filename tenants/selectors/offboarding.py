"""How far the end of a tenant is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tenants.errors import NotFound
from tenants.models import Offboarding, RegionalKey, TenantKey
from tenants.scope import tenant_scope
from tenants.states import KeyTier, OffboardingState


@dataclass(frozen=True, slots=True)
class KeyEnd:
    """The end of the key in one Region. `deletion_date` is KMS's own, None before KMS has one: that of a primary begins
    when the last replica is gone."""

    region: str
    arn: str
    role: str
    key_state: str
    deletion_date: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffboardingView:
    """One request to end a tenant, and what has become of it.

    `final_date` is when the last key is gone at the earliest, as far as is known by now: KMS deletes a primary key only
    after its replicas, and the days of both count one after the other."""

    id: UUID
    state: str
    reason: str
    waiting_days: int
    requested_by: str
    requested_at: datetime
    approved_by: str
    approved_at: datetime | None
    export_digest: str
    export_waived: bool
    plan_id: UUID | None
    finished_at: datetime | None
    final_date: datetime | None
    keys: tuple[KeyEnd, ...]
    has_certificate: bool


def get_offboarding(tenant_id: UUID) -> OffboardingView:
    """The newest request; raises `NotFound` where there was none."""
    with tenant_scope(tenant_id, "read"):
        return view_of_offboarding(_newest(tenant_id))


def get_certificate(tenant_id: UUID) -> dict[str, Any]:
    """The signed certificate of the tenant's end. Raises `NotFound` before there is one."""
    with tenant_scope(tenant_id, "read"):
        row = _newest(tenant_id)
    if not row.certificate:
        raise NotFound("There is no certificate: the tenant's end is not finished.")
    found: dict[str, Any] = row.certificate
    return found


def view_of_offboarding(row: Offboarding) -> OffboardingView:
    """The view of a row, in the scope in which it was read."""
    keys = list(
        RegionalKey.objects.filter(tenant_id=row.tenant_id)
        .exclude(arn="")
        .order_by("role", "region")
    )
    tier = TenantKey.objects.filter(tenant_id=row.tenant_id).values_list("tier", flat=True).first()
    return OffboardingView(
        id=row.id,
        state=row.state,
        reason=row.reason,
        waiting_days=row.waiting_days,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        approved_by=row.approved_by,
        approved_at=row.approved_at,
        export_digest=row.export_digest,
        export_waived=row.export_waived,
        plan_id=row.plan_id,
        finished_at=row.finished_at,
        final_date=_final_date(row, keys, str(tier)),
        keys=tuple(
            KeyEnd(key.region, key.arn, key.role, key.key_state, key.deletion_date) for key in keys
        )
        if tier == KeyTier.DEDICATED
        else (),
        has_certificate=bool(row.certificate),
    )


def _newest(tenant_id: UUID) -> Offboarding:
    row = Offboarding.objects.filter(tenant_id=tenant_id).order_by("-requested_at").first()
    if row is None:
        raise NotFound("Nobody has asked to end this tenant.")
    return row


def _final_date(row: Offboarding, keys: list[RegionalKey], tier: str) -> datetime | None:
    if row.state != OffboardingState.APPROVED or row.approved_at is None:
        return row.finished_at
    wait = timedelta(days=row.waiting_days)
    if tier != KeyTier.DEDICATED:
        return row.approved_at + wait
    replicas = [key for key in keys if key.role == "replica"]
    primary = next((key for key in keys if key.role == "primary"), None)
    if primary is not None and primary.deletion_date:
        return primary.deletion_date
    begun = [key.deletion_date or row.approved_at + wait for key in replicas]
    return max(begun, default=row.approved_at) + wait
