"""The fleet, for operators: Regions and their lag, steps that failed, keys that nobody owns, keys that drift."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from gateway.console.access import Permission
from gateway.console.deeds import AskedDeed, Question
from gateway.console.fleet import drifting, region_lines
from gateway.console.page import Page
from tenants.selectors import list_tenants
from tenants.selectors.drift import OrphanView, list_orphans
from tenants.selectors.fleet import list_operations
from tenants.services.orphan_decisions import adopt_orphan, schedule_orphan

FAILURES_SHOWN = 50
ORPHANS_SHOWN = 200
TENANTS_A_PAGE = 50


class Fleet(Page):
    """What needs an operator."""

    needs = {"GET": Permission.FLEET}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page, or its moving part alone when htmx asks for it."""
        failed = list_operations(states=["failed"], limit=FAILURES_SHOWN + 1)
        orphans = list_orphans(limit=ORPHANS_SHOWN + 1)
        return self.render(
            "_fleet_work" if request.headers.get("HX-Target") == "fleet-work" else "fleet",
            regions=region_lines(),
            failed=failed[:FAILURES_SHOWN],
            more_failed=len(failed) > FAILURES_SHOWN,
            orphans=orphans[:ORPHANS_SHOWN],
            more_orphans=len(orphans) > ORPHANS_SHOWN,
            tab="fleet",
        )


class FleetDrift(Page):
    """Keys that drift, a page of tenants at a time."""

    needs = {"GET": Permission.FLEET}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The tenants behind the slug `after`, as far as anything of them drifts."""
        after = request.GET.get("after", "").replace("\0", "").strip()[:100] or None
        pools = request.GET.get("pools") == "1"
        found = list_tenants(after=after, limit=TENANTS_A_PAGE + 1, pools=pools)
        looked = [row.tenant for row in found[:TENANTS_A_PAGE]]
        return self.render(
            "fleet_drift",
            rows=drifting(looked),
            looked=len(looked),
            after=after,
            pools=pools,
            next=looked[-1].slug if len(found) > TENANTS_A_PAGE else None,
            tab="fleet",
        )


class OrphanDeed(AskedDeed):
    """A decision on a key that nobody owns."""

    needs = {"GET": Permission.FLEET, "POST": Permission.FLEET}
    tab = "fleet"

    def back(self) -> str:
        return reverse("console:fleet")

    @property
    def orphan_id(self) -> UUID:
        """The key of the URL."""
        return UUID(str(self.kwargs["orphan_id"]))

    def orphan(self) -> OrphanView:
        """The key, while it is to be decided on."""
        for one in list_orphans(limit=ORPHANS_SHOWN):
            if one.id == self.orphan_id and not one.resolution:
                return one
        raise Http404


class AdoptOrphan(OrphanDeed):
    """Give it to the step that has lost it."""

    def question(self) -> Question:
        orphan = self.orphan()
        return Question(
            ask="Adopt this key?",
            consequence="The tenant whose tag it carries has a step that was to make a key: it goes on with this one.",
            details=(orphan.arn,),
            deed="Adopt the key",
            is_danger=False,
        )

    def do(self, data: dict[str, Any]) -> str:
        adopt_orphan(orphan_id=self.orphan_id, actor=self.visitor.actor)
        return "The key is adopted, and its step goes on."


class ScheduleOrphan(OrphanDeed):
    """Let KMS delete it."""

    def question(self) -> Question:
        orphan = self.orphan()
        return Question(
            ask="Let KMS delete this key?",
            consequence="It is scheduled for deletion after 30 days, its replicas first.",
            details=(
                orphan.arn,
                "Refused where it is a tenant's, was one's, or anything was ever sealed with it.",
            ),
            deed="Schedule the deletion",
        )

    def do(self, data: dict[str, Any]) -> str:
        schedule_orphan(orphan_id=self.orphan_id, actor=self.visitor.actor)
        return "The key will be scheduled for deletion by the worker of its Region."
