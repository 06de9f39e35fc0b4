"""The audit log of a tenant, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from gateway.console.access import Permission
from gateway.console.page import Page
from gateway.console.people import names_of
from gateway.console.words import plain
from tenants.selectors import AuditEventView, list_audit_events

EVENTS_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event as people read it: ids that the tenant knows stand as addresses and names."""

    event: AuditEventView
    names: Mapping[str, str]

    @property
    def kind(self) -> str:
        """`operator`, `member`, `api_key` or `system`."""
        return plain(self.event.actor_kind)

    @property
    def who(self) -> str:
        """The address or name of whoever caused it; empty where the tenant does not know one."""
        return self.names.get(self.event.actor_id, "")

    @property
    def subject(self) -> str:
        """What it was done to."""
        return self.names.get(self.event.subject, self.event.subject)

    @property
    def details(self) -> list[tuple[str, str]]:
        """The event's detail as label and text."""
        return [(plain(name), self._text(value)) for name, value in self.event.detail.items()]

    def _text(self, value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, list):
            return ", ".join(self._text(item) for item in value) or "none"
        if isinstance(value, dict):
            return ", ".join(f"{plain(name)} {self._text(item)}" for name, item in value.items())
        return self.names.get(str(value), str(value))


class AuditLog(Page):
    """Who did what, where and when."""

    needs = {"GET": Permission.VIEW}

    def get(self, request: HttpRequest) -> HttpResponse:
        """One page of events, older than `before`."""
        before = _event_id(request.GET.get("before"))
        found = list_audit_events(self.tenant.id, before=before, limit=EVENTS_A_PAGE + 1)
        names = names_of(self.tenant, self.visitor)
        rows = [EventRow(event, names) for event in found[:EVENTS_A_PAGE]]
        return self.render(
            "audit",
            rows=rows,
            before=before,
            older=rows[-1].event.id if len(found) > EVENTS_A_PAGE else None,
            tab="audit",
        )


def _event_id(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
