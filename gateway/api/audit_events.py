"""Audit events: who did what to a tenant, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer, Body, PageSize, list_of
from tenants.errors import NotFound
from tenants.selectors import list_audit_events


class AuditEventsQuery(Body):
    """Events before the event `before`, newest first."""

    before: UUID | None = None
    limit: PageSize = 50


class AuditEvent(Answer):
    """One event. `detail` holds names and counts, never a value of a sealed field."""

    id: UUID
    at: datetime
    region: str
    actor_kind: str
    actor_id: str
    action: str
    subject: str
    detail: dict[str, Any]
    request_id: str


class AuditEventPage(Answer):
    """Events, newest first; `next` goes into `before`, and is null on the last page."""

    events: list[AuditEvent]
    next: UUID | None


class AuditEvents(OperatorView):
    """/tenants/{slug}/audit-events"""

    @operation(
        "listAuditEvents",
        query=AuditEventsQuery,
        answers={200: AuditEventPage},
        errors=(NotFound,),
    )
    def get(self, request: Request, slug: str, query: AuditEventsQuery) -> Response:
        """List a tenant's audit events"""
        tenant = named_tenant(slug)
        found = list_audit_events(tenant.id, before=query.before, limit=query.limit + 1)
        events = list_of(found[: query.limit], AuditEvent)
        more = len(found) > len(events)
        return Response(AuditEventPage(events=events, next=events[-1].id if more else None))
