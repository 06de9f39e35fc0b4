"""Verification: prove again what each of a tenant's regional keys can and cannot do."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import PlanStarted, plan_started
from tenants.errors import Conflict, NotFound
from tenants.services.verification import start_verification


class Verification(OperatorView):
    """/tenants/{slug}/verification"""

    @operation(
        "startVerification",
        answers={202: PlanStarted},
        errors=(NotFound, Conflict),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Verify a tenant's keys in every Region"""
        tenant = named_tenant(slug)
        return plan_started(tenant.slug, start_verification(tenant_id=tenant.id, actor=self.actor))
