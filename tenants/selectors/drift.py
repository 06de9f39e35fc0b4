"""What drifts: keys that are not as they should be, and keys that nobody owns, as they were last seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tenants.models import OrphanKey, RegionalKey
from tenants.scope import fleet_scope, tenant_scope


@dataclass(frozen=True, slots=True)
class DriftView:
    """One thing that is not as desired. `statements` are those of a key policy that differ: each has `sid`, `change`,
    `says`, `text`, `elements`, `allows_more` and `allows_less`."""

    what: str
    desired: str
    found: str
    severity: str
    repairable: bool
    statements: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class RegionalDrift:
    """The tenant's key in one Region, and how it drifts; `checked_at` is None where it was never compared."""

    region: str
    arn: str
    checked_at: datetime | None
    drift: tuple[DriftView, ...]


@dataclass(frozen=True, slots=True)
class OrphanView:
    """A key with our tag that no tenant owns. `resolution` is empty while nobody has decided; `resolved_at` is None
    until that is carried out."""

    id: UUID
    region: str
    arn: str
    key_state: str
    tags: Mapping[str, str]
    found_at: datetime
    resolution: str
    resolved_at: datetime | None


def list_drift(tenant_id: UUID) -> list[RegionalDrift]:
    """The tenant's key in each of its Regions, by Region."""
    with tenant_scope(tenant_id, "read"):
        keys = list(RegionalKey.objects.filter(tenant_id=tenant_id).order_by("region"))
    return [
        RegionalDrift(
            key.region, key.arn, key.checked_at, tuple(DriftView(**each) for each in key.drift)
        )
        for key in keys
    ]


def list_orphans(*, limit: int = 200) -> list[OrphanView]:
    """Up to `limit` keys that are to be decided on, or whose decision is to be carried out, those found first."""
    with fleet_scope("read"):
        rows = OrphanKey.objects.filter(resolved_at=None).order_by("found_at")
        return [
            OrphanView(
                id=row.id,
                region=row.region,
                arn=row.arn,
                key_state=row.key_state,
                tags=row.tags,
                found_at=row.found_at,
                resolution=row.resolution,
                resolved_at=row.resolved_at,
            )
            for row in rows[:limit]
        ]
