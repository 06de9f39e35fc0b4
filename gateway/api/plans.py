"""Plans: all key work of a tenant, and giving up what is not done of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN
from gateway.api.named import named_id, named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import Plan, plan_of
from gateway.api.shapes import Answer, Body, PageSize, list_of
from tenants.errors import NotFound, PlanFinished, PlanNotCancellable
from tenants.selectors import get_plan, list_plans
from tenants.services.plans import cancel_plan


class PlansQuery(Body):
    """Plans before the plan `before`, newest first."""

    before: UUID | None = None
    limit: PageSize = 50


class PlanLine(Answer):
    """One plan, and how many of its steps are in which state."""

    plan_id: UUID
    plan: str
    done: int
    total: int
    failed: int
    cancelled: int
    paused: int
    is_finished: bool
    created_at: datetime
    finished_at: datetime | None


class PlanPage(Answer):
    """Plans, newest first; `next` goes into `before`, and is null on the last page."""

    plans: list[PlanLine]
    next: UUID | None


class Plans(OperatorView):
    """/tenants/{slug}/plans"""

    @operation("listPlans", query=PlansQuery, answers={200: PlanPage}, errors=(NotFound,))
    def get(self, request: Request, slug: str, query: PlansQuery) -> Response:
        """List a tenant's plans"""
        tenant = named_tenant(slug)
        found = list_plans(tenant.id, before=query.before, limit=query.limit + 1)
        plans = list_of(found[: query.limit], PlanLine)
        more = len(found) > len(plans)
        return Response(PlanPage(plans=plans, next=plans[-1].plan_id if more else None))


class OnePlan(OperatorView):
    """/tenants/{slug}/plans/{plan_id}"""

    @operation("getPlan", answers={200: Plan}, errors=(NotFound,))
    def get(self, request: Request, slug: str, plan_id: str) -> Response:
        """Progress of one plan"""
        return Response(plan_of(get_plan(named_tenant(slug).id, named_id(plan_id))))


class Cancel(OperatorView):
    """/tenants/{slug}/plans/{plan_id}/cancel"""

    @operation(
        "cancelPlan",
        answers={200: Plan},
        errors=(NotFound, PlanFinished, PlanNotCancellable),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, slug: str, plan_id: str) -> Response:
        """Cancel what is not done of a plan"""
        tenant, plan = named_tenant(slug), named_id(plan_id)
        cancel_plan(tenant_id=tenant.id, plan_id=plan, actor=self.actor)
        return Response(plan_of(get_plan(tenant.id, plan)))
