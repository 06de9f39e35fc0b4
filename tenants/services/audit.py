"""The audit log: who did what. Written in the same transaction as the deed, so neither exists without the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from tenants.actor import Actor
from tenants.models import AuditEvent
from tenants.request import request_id


def record_event(
    *,
    tenant_id: UUID,
    actor: Actor,
    action: str,
    subject: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add one event inside the caller's write scope. Region and request id are those of this process and request.

    `action` is a noun and a verb (`api_key.revoked`), `subject` what it was done to. `detail` is JSON of names, counts
    and ARNs: never a value of a sealed field, a credential or key material.
    """
    AuditEvent.objects.create(
        tenant_id=tenant_id,
        at=timezone.now(),
        region=settings.GATEWAY_REGION,
        actor_kind=actor.kind,
        actor_id=actor.id,
        action=action,
        subject=subject,
        detail=dict(detail or {}),
        request_id=request_id.get()[:64],
    )


def this_worker() -> Actor:
    """The background worker of this process's Region."""
    return Actor(kind="system", id=settings.GATEWAY_REGION)
