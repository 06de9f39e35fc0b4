"""The audit log of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from tenants.models import AuditEvent
from tenants.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class AuditEventView:
    """Who did what, and when. `region` is where it was done, `request_id` the request or operation it belongs to."""

    id: UUID
    at: datetime
    region: str
    actor_kind: str
    actor_id: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    request_id: str


def list_audit_events(tenant_id: UUID, *, before: UUID | None, limit: int) -> list[AuditEventView]:
    """Up to `limit` events, newest first: those before the event `before`. Event ids are in order of time."""
    with tenant_scope(tenant_id, "read"):
        events = AuditEvent.objects.filter(tenant_id=tenant_id).order_by("-id")
        found = list((events.filter(id__lt=before) if before else events)[:limit])
    return [
        AuditEventView(
            id=event.id,
            at=event.at,
            region=event.region,
            actor_kind=event.actor_kind,
            actor_id=event.actor_id,
            action=event.action,
            subject=event.subject,
            detail=event.detail,
            request_id=event.request_id,
        )
        for event in found
    ]
