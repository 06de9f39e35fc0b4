"""Region rules: what each Region may do with a tenant's key."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import PlanStarted, plan_started
from gateway.api.shapes import Answer, Body, Classification
from tenants.errors import Conflict, NotFound
from tenants.services.onboarding import RegionRuleInput
from tenants.services.rules import change_region_rule


class RegionRule(Answer):
    """What one Region may do: encrypt, and decrypt which classifications (`*` is every one)."""

    region: str
    may_encrypt: bool
    may_decrypt: list[str]


class NewRule(Body):
    """The whole rule of the Region that the path names."""

    may_encrypt: bool
    may_decrypt: Annotated[list[Classification], Meta(max_length=64)]


class OneRegionRule(OperatorView):
    """/tenants/{slug}/region-rules/{region}"""

    @operation(
        "changeRegionRule",
        body=NewRule,
        answers={202: PlanStarted},
        errors=(NotFound, Conflict),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def put(self, request: Request, slug: str, region: str, body: NewRule) -> Response:
        """Change what a Region may do

        The gateway obeys at once; background workers put the new key policies into KMS and verify them.
        """
        tenant = named_tenant(slug)
        rule = RegionRuleInput(
            region=region, may_encrypt=body.may_encrypt, may_decrypt=tuple(body.may_decrypt)
        )
        return plan_started(
            tenant.slug, change_region_rule(tenant_id=tenant.id, rule=rule, actor=self.actor)
        )
