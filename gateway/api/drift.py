"""Drift: keys that are not in AWS what they should be, with what differs; and repairing them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import PlanStarted, plan_started
from gateway.api.shapes import Answer, Body, RegionName, list_of
from tenants.errors import Conflict, KeyShared, NotFound, PlanUnderWay
from tenants.selectors.drift import list_drift
from tenants.services.reconciliation import start_repair


class ElementDifference(Answer):
    """One element of a statement of a key policy: the values that it lacks, and those that it should not have."""

    element: str
    missing: list[str]
    surplus: list[str]


class StatementDifference(Answer):
    """A statement of a key policy that is not as desired: `missing`, `surplus` or `changed`. `says` is what it means
    as it was found, or as it should be where it is missing; `allows_more` and `allows_less` compare with the desired
    policy, on the safe side."""

    sid: str
    change: str
    text: str
    says: str
    elements: list[ElementDifference]
    allows_more: bool
    allows_less: bool


class Drift(Answer):
    """One thing that is not as desired. `severity` is `critical` where somebody may do more than they should or the
    key itself is at risk, `high` where somebody may do less or is led to another key, and `low` else. The gateway may
    repair by itself what is `repairable`, if it was told to; the rest waits for a person."""

    what: str
    desired: str
    found: str
    severity: str
    repairable: bool
    statements: list[StatementDifference]


class RegionalDrift(Answer):
    """The key of one Region. `checked_at` is null where it was never compared."""

    region: str
    arn: str
    checked_at: datetime | None
    drift: list[Drift]


class TenantDrift(Answer):
    """The keys of a tenant, as they were last compared, and whether anything drifts."""

    drifts: bool
    keys: list[RegionalDrift]


class NewRepair(Body):
    """What to repair: in these Regions, or in all. With `enable`, a disabled key is enabled too, which nothing does by
    itself: somebody may have disabled it in an emergency."""

    regions: Annotated[list[RegionName], Meta(max_length=32)] = msgspec.field(default_factory=list)
    enable: bool = False


class DriftOfTenant(OperatorView):
    """/tenants/{slug}/drift"""

    @operation("getDrift", answers={200: TenantDrift}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """How a tenant's keys differ from what they should be"""
        keys = list_of(list_drift(named_tenant(slug).id), RegionalDrift)
        return Response(TenantDrift(drifts=any(key.drift for key in keys), keys=keys))


class Repair(OperatorView):
    """/tenants/{slug}/repair"""

    @operation(
        "startRepair",
        body=NewRepair,
        answers={202: PlanStarted},
        errors=(NotFound, Conflict, PlanUnderWay, KeyShared),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str, body: NewRepair) -> Response:
        """Repair what drifts of a tenant's keys

        Compares anew, puts right what can be, and verifies. The same again answers the repair under way.
        """
        tenant = named_tenant(slug)
        plan_id = start_repair(
            tenant_id=tenant.id, regions=body.regions, enable=body.enable, actor=self.actor
        )
        return plan_started(tenant.slug, plan_id)
