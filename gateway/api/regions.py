"""Regions of a tenant: add one, remove one and take that back, move the primary to one."""

from __future__ import annotations

from typing import Annotated

from django.urls import reverse
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import PlanStarted, plan_started
from gateway.api.shapes import Answer, Body, RegionName
from gateway.api.tenants import NewRegionRule
from tenants.errors import (
    Conflict,
    KeyShared,
    NeedsDedicatedKey,
    NotFound,
    PlanUnderWay,
    PreviousKeyInUse,
    RegionLeaving,
    RegionNotDispensable,
    RegionNotReady,
)
from tenants.services.promotion import start_promotion
from tenants.services.region_addition import start_region_addition
from tenants.services.region_removal import cancel_region_removal, start_region_removal
from tenants.services.rules import RegionRuleInput

OF_KEYS = (NotFound, Conflict, PlanUnderWay, KeyShared, NeedsDedicatedKey, PreviousKeyInUse)


class Unchanged(Answer):
    """All of it is so already; `tenant` is the path to what there is."""

    tenant: str


class RemovalQuery(Body):
    """How many days KMS waits before it deletes the key; the removal can be cancelled until then."""

    waiting_days: Annotated[int, Meta(ge=7, le=30)] = 30


class PrimaryRegion(Body):
    """Where the primary is to be."""

    region: RegionName


class Regions(OperatorView):
    """/tenants/{slug}/regions"""

    @operation(
        "addRegion",
        body=NewRegionRule,
        answers={200: Unchanged, 202: PlanStarted},
        errors=(*OF_KEYS, RegionLeaving),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str, body: NewRegionRule) -> Response:
        """Add a Region to a tenant

        Plans a replica of its key there; background workers make and prove it. Until then that Region answers
        `region_not_ready`, and the others go on as before. The same again answers the same, and 200 once it is done.
        """
        tenant = named_tenant(slug)
        rule = RegionRuleInput(
            region=body.region, may_encrypt=body.may_encrypt, may_decrypt=tuple(body.may_decrypt)
        )
        plan = start_region_addition(tenant_id=tenant.id, rule=rule, actor=self.actor)
        return plan_started(tenant.slug, plan) if plan else _unchanged(tenant.slug)


class OneRegion(OperatorView):
    """/tenants/{slug}/regions/{region}"""

    @operation(
        "removeRegion",
        query=RemovalQuery,
        answers={202: PlanStarted},
        errors=(*OF_KEYS, RegionNotDispensable),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def delete(self, request: Request, slug: str, region: str, query: RemovalQuery) -> Response:
        """Remove a Region from a tenant

        The gateway stops serving the tenant there at once. Background workers prove that the other Regions open all
        that is stored, and schedule the Region's key for deletion.
        """
        tenant = named_tenant(slug)
        plan = start_region_removal(
            tenant_id=tenant.id, region=region, waiting_days=query.waiting_days, actor=self.actor
        )
        return plan_started(tenant.slug, plan)


class CancelRemoval(OperatorView):
    """/tenants/{slug}/regions/{region}/cancel-removal"""

    @operation(
        "cancelRegionRemoval",
        answers={202: PlanStarted},
        errors=(NotFound, Conflict, PlanUnderWay),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str, region: str) -> Response:
        """Keep a Region that a tenant is leaving

        Possible until KMS has deleted its key. The Region serves again once the key is proven again.
        """
        tenant = named_tenant(slug)
        plan = cancel_region_removal(tenant_id=tenant.id, region=region, actor=self.actor)
        return plan_started(tenant.slug, plan)


class Primary(OperatorView):
    """/tenants/{slug}/primary-region"""

    @operation(
        "movePrimary",
        body=PrimaryRegion,
        answers={200: Unchanged, 202: PlanStarted},
        errors=(*OF_KEYS, RegionNotReady),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str, body: PrimaryRegion) -> Response:
        """Move the primary to another Region of the tenant

        Requests are served as before. Both Regions must answer: this is no remedy for an outage, and none needs it.
        """
        tenant = named_tenant(slug)
        plan = start_promotion(tenant_id=tenant.id, region=body.region, actor=self.actor)
        return plan_started(tenant.slug, plan) if plan else _unchanged(tenant.slug)


def _unchanged(slug: str) -> Response:
    return Response(Unchanged(tenant=reverse("api:tenant", args=[slug])))
