"""Me: what a tenant app's credential is good for, and which Region answers."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.operation import TenantAppView, operation
from gateway.api.region_rules import RegionRule
from gateway.api.shapes import Answer, list_of


class Me(Answer):
    """The tenant, the Region that answers, what the API key may do, and what each Region may do."""

    tenant_id: UUID
    tenant: str
    state: str
    region: str
    api_key_id: UUID
    scopes: list[str]
    region_rules: list[RegionRule]


class MeView(TenantAppView):
    """/me"""

    @operation("getMe", answers={200: Me})
    def get(self, request: Request) -> Response:
        """Who am I, and where"""
        caller = self.caller
        return Response(
            Me(
                tenant_id=caller.tenant_id,
                tenant=caller.slug,
                state=caller.state,
                region=settings.GATEWAY_REGION,
                api_key_id=caller.api_key_id,
                scopes=sorted(caller.scopes),
                region_rules=list_of(
                    (caller.rules[name] for name in sorted(caller.rules)), RegionRule
                ),
            )
        )
