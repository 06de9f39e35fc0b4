"""One tenant: its key in each Region, the plan that is running, Verify now, Retry."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from gateway.console.access import Permission
from gateway.console.deeds import say_error
from gateway.console.overview import region_rows, sentence, steps
from gateway.console.page import Page
from gateway.console.plans import pace
from tenants.errors import Conflict
from tenants.selectors import get_key_id, get_progress, list_region_rules, list_regional_keys
from tenants.services.operations import retry_operation
from tenants.services.verification import start_verification


class TenantOverview(Page):
    """The key in each Region, and the newest plan."""

    needs = {"GET": Permission.VIEW}

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page, or its moving part alone when htmx asks for it."""
        tenant = self.tenant
        progress = get_progress(tenant.id)
        rows = region_rows(
            tenant.home_region, list_regional_keys(tenant.id), list_region_rules(tenant.id)
        )
        regions = [row.region for row in rows]
        return self.render(
            "_overview" if request.headers.get("HX-Target") == "overview" else "overview",
            rows=rows,
            progress=progress,
            regions=regions,
            steps=steps(progress, regions),
            sentence=sentence(tenant, rows, progress),
            started=min(
                (item.started_at for item in progress.operations if item.started_at), default=None
            ),
            key_id=get_key_id(tenant.id),
            pace=pace(progress.operations),
            tab="overview",
        )


class VerifyNow(Page):
    """Prove every regional key again."""

    needs = {"POST": Permission.KEYS}

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Plan a verification and show it running."""
        if self.tenant.state == "active":
            start_verification(tenant_id=self.tenant.id, actor=self.visitor.actor)
            messages.success(request, "Verification has started.")
        else:  # onboarding verifies by itself, and its plan must stay the one that is shown
            messages.error(request, "Only an active tenant can be verified.")
        return redirect("console:tenant", slug=self.tenant.slug)


class RetryOperation(Page):
    """Let a failed step run again, and go back to the page that offered it."""

    needs = {"POST": Permission.FLEET}

    def post(self, request: HttpRequest, operation_id: UUID) -> HttpResponseBase:
        """Make the step due, and show it running."""
        try:
            retry_operation(
                tenant_id=self.tenant.id, operation_id=operation_id, actor=self.visitor.actor
            )
            messages.success(request, "The step will run again.")
        except Conflict as error:
            say_error(request, error)
        if request.POST.get("to") == "fleet":
            return redirect("console:fleet")
        if plan := _uuid(request.POST.get("to")):
            return redirect("console:plan", slug=self.tenant.slug, plan_id=plan)
        return redirect("console:tenant", slug=self.tenant.slug)


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
