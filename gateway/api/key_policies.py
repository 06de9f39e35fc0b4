"""Key policies as the gateway wants them, with what each statement means."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer, shaped
from tenants.errors import NotFound
from tenants.services.policy_documents import get_desired_policy


class ExplainedStatement(Answer):
    """One statement of a key policy and what it means."""

    sid: str
    meaning: str
    statement: dict[str, Any]


class KeyPolicy(Answer):
    """The key policy of a tenant's key in one Region, as its rules ask for it. Of a pooled tenant it is its pool's; of
    an external key it is what its owner puts into their own. `fingerprint` is that of a regional key where it is in
    force."""

    region: str
    arn: str
    tier: str
    fingerprint: str
    document: dict[str, Any]
    statements: list[ExplainedStatement]


class OneKeyPolicy(OperatorView):
    """/tenants/{slug}/key-policies/{region}"""

    @operation("getKeyPolicy", answers={200: KeyPolicy}, errors=(NotFound,))
    def get(self, request: Request, slug: str, region: str) -> Response:
        """The key policy of a tenant's key in one Region"""
        found = get_desired_policy(tenant_id=named_tenant(slug).id, region=region)
        return Response(shaped(found, KeyPolicy))
