"""Offboarding: the end of a tenant, which two people must want."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.revocation import Reason
from gateway.api.shapes import Answer, Body, shaped
from tenants.errors import (
    ActorNotAllowed,
    Conflict,
    ExportMissing,
    NotFound,
    OffboardingFinal,
    OffboardingUnderWay,
    TenantNotActive,
)
from tenants.selectors.offboarding import get_certificate, get_offboarding
from tenants.services.offboarding import (
    approve_offboarding,
    cancel_offboarding,
    request_offboarding,
)


class NewOffboarding(Body):
    """Why, and how many days the keys wait for their deletion, in which the end can be called off."""

    reason: Reason
    waiting_days: Annotated[int, Meta(ge=7, le=30)] = 30


class NewApproval(Body):
    """Which request is approved. `waive_export` approves although records were written since the last export."""

    offboarding_id: UUID
    waive_export: bool = False


class KeyEnd(Answer):
    """The end of the key in one Region. The days of a primary begin when the last replica is gone."""

    region: str
    arn: str
    role: str
    key_state: str
    deletion_date: datetime | None


class Offboarding(Answer):
    """The latest request to end a tenant. `state` is requested, approved, cancelled or done; `final_date` when the last
    key is gone at the earliest: KMS deletes a primary key only after its replicas, and the days of both add up."""

    id: UUID
    state: str
    reason: str
    waiting_days: int
    requested_by: str
    requested_at: datetime
    approved_by: str
    approved_at: datetime | None
    export_digest: str
    export_waived: bool
    plan_id: UUID | None
    finished_at: datetime | None
    final_date: datetime | None
    keys: list[KeyEnd]
    has_certificate: bool


class Signature(Answer):
    """Ed25519 over the document as canonical JSON; `key_id` is that of a key at /api/v1/signing-key."""

    algorithm: str
    key_id: str
    value: str


class SignedDocument(Answer):
    """A document and its signature. What the document holds, its `type` says."""

    document: dict[str, Any]
    signature: Signature


class OneOffboarding(OperatorView):
    """/tenants/{slug}/offboarding"""

    @operation(
        "requestOffboarding",
        body=NewOffboarding,
        answers={201: Offboarding},
        errors=(NotFound, OffboardingUnderWay, TenantNotActive),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, slug: str, body: NewOffboarding) -> Response:
        """Request the end of a tenant

        Nothing happens before a member of the tenant has approved it.
        """
        found = request_offboarding(
            tenant_id=named_tenant(slug).id,
            reason=body.reason,
            waiting_days=body.waiting_days,
            actor=self.actor,
        )
        return Response(shaped(found, Offboarding), status=201)

    @operation("getOffboarding", answers={200: Offboarding}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """How far the end of a tenant is"""
        return Response(shaped(get_offboarding(named_tenant(slug).id), Offboarding))

    @operation(
        "cancelOffboarding",
        answers={200: Offboarding},
        errors=(NotFound, OffboardingFinal),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def delete(self, request: Request, slug: str) -> Response:
        """Call off the end of a tenant

        While its keys only wait for their deletion they are kept, enabled and proven, and the tenant is served again.
        """
        found = cancel_offboarding(tenant_id=named_tenant(slug).id, actor=self.actor)
        return Response(shaped(found, Offboarding))


class Approval(OperatorView):
    """/tenants/{slug}/offboarding/approval"""

    @operation(
        "approveOffboarding",
        body=NewApproval,
        answers={200: Offboarding},
        errors=(NotFound, Conflict, ExportMissing, ActorNotAllowed, TenantNotActive),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, slug: str, body: NewApproval) -> Response:
        """Approve the end of a tenant that a member has requested

        From this answer on no request of the tenant is served, and its keys are disabled and deleted after the waiting
        period. What an operator has requested, a member must approve.
        """
        found = approve_offboarding(
            tenant_id=named_tenant(slug).id,
            offboarding_id=body.offboarding_id,
            actor=self.actor,
            waive_export=body.waive_export,
        )
        return Response(shaped(found, Offboarding))


class Certificate(OperatorView):
    """/tenants/{slug}/offboarding/certificate"""

    @operation("getOffboardingCertificate", answers={200: SignedDocument}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """The signed certificate of a tenant's end"""
        return Response(shaped(get_certificate(named_tenant(slug).id), SignedDocument))
