"""Revocation: stop every use of a tenant's keys, see the proof, and bring the tenant back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import OperationError, PlanStarted, plan_started
from gateway.api.shapes import Answer, Body, shaped
from tenants.errors import Conflict, NotFound, TenantNotActive
from tenants.selectors.revocation import get_revocation_report
from tenants.services.restoration import restore_tenant
from tenants.services.revocation import refresh_revocation, revoke_tenant

Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class NewRevocation(Body):
    """Why; it stands in the audit log and in the report."""

    reason: Reason


class RegionRevocation(Answer):
    """One Region. `state` is planned, disabled, proven, gateways_only or failed. `refused_at`: KMS has refused every
    probe since; `last_served_at`: the last probe that it served. `last_decrypt_at` is the last Decrypt of this tenant,
    probes included, that CloudTrail knew at `trail_read_at`: it lags by up to 15 minutes."""

    region: str
    state: str
    disabled_at: datetime | None
    reader_at: datetime | None
    refused_at: datetime | None
    last_served_at: datetime | None
    refused: dict[str, str]
    last_decrypt_at: datetime | None
    last_decrypt_event: str
    trail_read_at: datetime | None
    trail_error: str
    error: OperationError


class Revocation(Answer):
    """The latest revocation of a tenant. `to_do` says what only the tenant can do, and is empty as a rule."""

    tenant_id: UUID
    slug: str
    tenant_state: str
    key_epoch: int
    plan_id: UUID
    revoked_at: datetime
    revoked_by: str
    reason: str
    is_revoked: bool
    is_proven: bool
    to_do: str
    regions: list[RegionRevocation]


class OneRevocation(OperatorView):
    """/tenants/{slug}/revocation"""

    @operation(
        "revokeTenant",
        body=NewRevocation,
        answers={202: PlanStarted},
        errors=(NotFound, Conflict, TenantNotActive),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str, body: NewRevocation) -> Response:
        """Revoke a tenant

        From this answer on no request of the tenant is served, as soon as the change reaches each Region. Background
        workers disable its keys in all Regions at once, and prove it. The same again changes nothing.
        """
        tenant = named_tenant(slug)
        plan = revoke_tenant(tenant_id=tenant.id, reason=body.reason, actor=self.actor)
        return plan_started(tenant.slug, plan)

    @operation("getRevocation", answers={200: Revocation}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """Report of a tenant's latest revocation

        What the workers have found last: when the keys were disabled, since when KMS refuses in each Region, and the
        last successful Decrypt in the trail.
        """
        return Response(shaped(get_revocation_report(named_tenant(slug).id), Revocation))

    @operation(
        "restoreTenant",
        answers={202: PlanStarted},
        errors=(NotFound, Conflict, TenantNotActive),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def delete(self, request: Request, slug: str) -> Response:
        """Restore a revoked tenant

        Its keys are enabled and proven in every Region; only then its requests are served again.
        """
        tenant = named_tenant(slug)
        return plan_started(tenant.slug, restore_tenant(tenant_id=tenant.id, actor=self.actor))


class Refresh(OperatorView):
    """/tenants/{slug}/revocation/refresh"""

    @operation(
        "refreshRevocation",
        answers={202: PlanStarted},
        errors=(NotFound, TenantNotActive),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str) -> Response:
        """Prove a revocation again, and read the trail again"""
        tenant = named_tenant(slug)
        return plan_started(tenant.slug, refresh_revocation(tenant_id=tenant.id, actor=self.actor))
