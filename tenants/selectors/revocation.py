"""The report of a revocation: since when nothing of a tenant is decrypted any more, Region by Region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from tenants.errors import NotFound
from tenants.models import KeyOperation, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.states import KeyTier, OperationKind, OperationState, PlanKind, TenantState


class RegionRefusal(StrEnum):
    """How far the revocation is in one Region."""

    PLANNED = "planned"  # the writer says so; nothing is known of this Region yet
    DISABLED = "disabled"  # KMS took the order; not proven yet
    PROVEN = "proven"  # the gateways' reader says so, and KMS refuses the Region's role
    GATEWAYS_ONLY = (
        "gateways_only"  # proven for the gateways; the key is the tenant's own to disable
    )
    FAILED = "failed"  # a step stopped: somebody must look


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionReport:
    """One Region. `reader_at`: its reader showed the revocation to the gateways. `refused_at`: KMS has refused every
    probe since. `last_served_at`: the last probe that KMS served. `last_decrypt_at`: the last Decrypt of this tenant,
    probes included, that the trail knew when it was read; the trail lags, on AWS by up to 15 minutes."""

    region: str
    state: str
    disabled_at: datetime | None
    reader_at: datetime | None
    refused_at: datetime | None
    last_served_at: datetime | None
    refused: Mapping[str, str]
    last_decrypt_at: datetime | None
    last_decrypt_event: str
    trail_read_at: datetime | None
    trail_error: str
    error: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationReport:
    """A tenant's latest revocation. The gateways refuse from `revoked_at` on, as soon as their Region's reader shows
    it. `to_do` says what only the tenant can do."""

    tenant_id: UUID
    slug: str
    tenant_state: str
    key_epoch: int
    plan_id: UUID
    revoked_at: datetime
    revoked_by: str
    reason: str
    is_revoked: bool
    is_proven: bool
    to_do: str
    regions: tuple[RegionReport, ...]


_TO_DO: Final = (
    "The key is in the tenant's own AWS account, where nobody but the tenant can disable it. The gateways refuse; so"
    " that AWS KMS refuses as well, the tenant must disable the key in every Region (aws kms disable-key --key-id ARN"
    " --region REGION), or take the gateway's roles out of its key policy."
)
_PROVEN: Final = (RegionRefusal.PROVEN, RegionRefusal.GATEWAYS_ONLY)


def get_revocation_report(tenant_id: UUID) -> RevocationReport:
    """The report of the latest revocation, also after a restoration. Raises `NotFound` where there was none.

    Asks nobody: what the workers have found last. `refresh_revocation` lets them look again.
    """
    with tenant_scope(tenant_id, "read"):
        rows = list(
            KeyOperation.objects.filter(Q(plan=PlanKind.REVOCATION), tenant_id=tenant_id).order_by(
                "plan_id", "position", "id"
            )
        )
        tenant = Tenant.objects.get(id=tenant_id) if rows else None
        tier = TenantKey.objects.filter(tenant_id=tenant_id).values_list("tier", flat=True).first()
    first = next((row for row in reversed(rows) if row.kind == OperationKind.DISABLE_KEY), None)
    if first is None or tenant is None:
        raise NotFound("The tenant was never revoked.")
    since = [row for row in rows if row.plan_id >= first.plan_id]
    regions = tuple(_region(region, since) for region in sorted({row.region for row in since}))
    return RevocationReport(
        tenant_id=tenant_id,
        slug=tenant.slug,
        tenant_state=tenant.state,
        key_epoch=tenant.key_epoch,
        plan_id=first.plan_id,
        revoked_at=first.created_at,
        revoked_by=str(first.arguments.get("by", "")),
        reason=str(first.arguments.get("reason", "")),
        is_revoked=tenant.state == TenantState.REVOKED,
        is_proven=all(region.state in _PROVEN for region in regions),
        to_do=_TO_DO if tier == KeyTier.EXTERNAL else "",
        regions=regions,
    )


def _region(region: str, rows: Iterable[KeyOperation]) -> RegionReport:
    """The first proof tells since when, the newest what the trail knows."""
    own = [row for row in rows if row.region == region]
    disabling = next((row for row in own if row.kind == OperationKind.DISABLE_KEY), None)
    proofs = [row for row in own if row.kind == OperationKind.PROVE_REVOKED]
    first = proofs[0].result if proofs else {}
    read = [row.result["trail"] for row in proofs if row.result.get("trail")]
    trail: Mapping[str, Any] = read[-1] if read else {}
    disabled_at = disabling.result.get("disabled_at") if disabling else None
    return RegionReport(
        region=region,
        state=_state(own, proofs, disabling),
        disabled_at=_time(disabled_at),
        reader_at=_time(first.get("reader_at")),
        refused_at=_time(first.get("refused_at")),
        last_served_at=_time(first.get("last_served_at")),
        refused=first.get("refused", {}),
        last_decrypt_at=_time(trail.get("last_decrypt_at")),
        last_decrypt_event=trail.get("event_id", ""),
        trail_read_at=_time(trail.get("read_at")),
        trail_error=trail.get("error", ""),
        error=next((row.error for row in own if row.error), {}),
    )


def _state(
    own: list[KeyOperation], proofs: list[KeyOperation], disabling: KeyOperation | None
) -> RegionRefusal:
    if any(row.state == OperationState.FAILED for row in own):
        return RegionRefusal.FAILED
    done = [row for row in proofs if row.state == OperationState.DONE]
    if done:
        only = done[-1].result.get("gateway_only")
        return RegionRefusal.GATEWAYS_ONLY if only else RegionRefusal.PROVEN
    if disabling is not None and disabling.state == OperationState.DONE:
        return RegionRefusal.DISABLED
    return RegionRefusal.PLANNED


def _time(found: Any) -> datetime | None:
    return datetime.fromisoformat(str(found)) if found else None
