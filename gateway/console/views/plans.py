"""The plans of a tenant: all of them, one with its steps, cancelling what is left of one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from gateway.console.access import Permission
from gateway.console.deeds import AskedDeed, Question
from gateway.console.labels import PLANS
from gateway.console.page import Page
from gateway.console.plans import (
    HAVE_THEIR_OWN_END,
    grid,
    pace,
    plan_row,
    quickest,
    regions_of,
    state_of,
)
from gateway.console.words import plain
from tenants.errors import Conflict
from tenants.selectors import get_plan, list_plans
from tenants.services.plans import cancel_plan

PLANS_A_PAGE = 25


class Plans(Page):
    """All plans, newest first."""

    needs = {"GET": Permission.VIEW}

    def get(self, request: HttpRequest) -> HttpResponse:
        """One page of plans, older than `before`; its moving part alone when htmx asks for it."""
        before = _plan_id(request.GET.get("before"))
        found = list_plans(self.tenant.id, before=before, limit=PLANS_A_PAGE + 1)
        rows = [
            plan_row(plan, None if plan.is_finished else get_plan(self.tenant.id, plan.plan_id))
            for plan in found[:PLANS_A_PAGE]
        ]
        return self.render(
            "_plans" if request.headers.get("HX-Target") == "plans" else "plans",
            rows=rows,
            before=before,
            older=rows[-1].plan.plan_id if len(found) > PLANS_A_PAGE else None,
            pace=quickest(*(pace(row.steps) for row in rows)),
            tab="plans",
        )


class OnePlan(Page):
    """One plan with its steps."""

    needs = {"GET": Permission.VIEW}

    def get(self, request: HttpRequest, plan_id: UUID) -> HttpResponse:
        """The page, or its moving part alone when htmx asks for it."""
        progress = get_plan(self.tenant.id, plan_id)
        return self.render(
            "_plan" if request.headers.get("HX-Target") == "plan" else "plan",
            progress=progress,
            state=state_of(progress),
            columns=regions_of(progress),
            steps=grid(progress),
            pace=pace(progress.operations),
            own_end=HAVE_THEIR_OWN_END.get(progress.plan, ""),  # type: ignore[call-overload]  # a text or an enum of texts
            retry_to="plan",
            tab="plans",
        )


class CancelPlan(AskedDeed):
    """Cancel what is left of a plan."""

    needs = {"GET": Permission.FLEET, "POST": Permission.FLEET}
    tab = "plans"

    @property
    def plan_id(self) -> UUID:
        """The plan of the URL."""
        return UUID(str(self.kwargs["plan_id"]))

    def back(self) -> str:
        return reverse("console:plan", args=[self.tenant.slug, self.plan_id])

    def question(self) -> Question:
        plan = get_plan(self.tenant.id, self.plan_id)
        name = PLANS.get(plan.plan) or plain(plan.plan)
        return Question(
            ask=f"Cancel the plan “{name}”?",
            consequence="Every step that is not done is cancelled. What is done stays as it is.",
            details=(
                "A step that runs at this moment may still change something in KMS.",
                "Keys that are left half-way show as drift, and can be repaired.",
            ),
            deed="Cancel the plan",
        )

    def do(self, data: dict[str, Any]) -> str:
        plan = get_plan(self.tenant.id, self.plan_id)
        for kind, instead in HAVE_THEIR_OWN_END.items():
            if plan.plan == kind:
                raise Conflict(instead)
        steps = cancel_plan(
            tenant_id=self.tenant.id, plan_id=self.plan_id, actor=self.visitor.actor
        )
        return f"The plan is cancelled: {steps} step{'' if steps == 1 else 's'} will not run."


def _plan_id(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
