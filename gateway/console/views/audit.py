"""The audit log of a tenant, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from gateway.console.access import Permission
from gateway.console.page import Page
from gateway.console.words import plain
from tenants.selectors import AuditEventView, list_api_keys, list_audit_events, list_members

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
        return self.names.get(str(value), str(value))


class AuditLog(Page):
    """Who did what, where and when."""

    needs = {"GET": Permission.VIEW}

    def get(self, request: HttpRequest) -> HttpResponse:
        """One page of events, older than `before`."""
        before = _event_id(request.GET.get("before"))
        found = list_audit_events(self.tenant.id, before=before, limit=EVENTS_A_PAGE + 1)
        names = self._names()
        rows = [EventRow(event, names) for event in found[:EVENTS_A_PAGE]]
        return self.render(
            "audit",
            rows=rows,
            before=before,
            older=rows[-1].event.id if len(found) > EVENTS_A_PAGE else None,
            tab="audit",
        )

    def _names(self) -> Mapping[str, str]:
        members = list_members(self.tenant.id)
        return {
            **{str(key.id): key.name for key in list_api_keys(self.tenant.id)},
            **{str(member.id): member.email for member in members},
            **{str(member.user_id): member.email for member in members},
            str(self.visitor.user_id): self.visitor.email,
        }


def _event_id(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
