"""Moving a tenant to another key, and forgetting the key before."""

from __future__ import annotations

from typing import Literal

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.external_key_shapes import ExternalKey, external_key
from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import PlanStarted, plan_started
from gateway.api.shapes import Body
from tenants.errors import (
    Conflict,
    ExternalKeyRefused,
    NotFound,
    PlanUnderWay,
    RegionNotAllowed,
    TenantIsPool,
)
from tenants.services.key_moves import start_forgetting, start_key_move
from tenants.states import KeyTier


class NewKey(Body):
    """Which key the tenant gets: a dedicated one, or with `external` the one that it brings."""

    tier: Literal["dedicated", "external"]
    external_key: ExternalKey | None = None


class Confirmation(Body):
    """That values which only the tenant's apps have are encrypted anew, as far as they are still needed."""

    values_are_encrypted_anew: Literal[True]


class KeyMove(OperatorView):
    """/tenants/{slug}/key-move"""

    @operation(
        "moveKey",
        body=NewKey,
        answers={202: PlanStarted},
        errors=(
            *(NotFound, Conflict, PlanUnderWay, TenantIsPool),
            *(ExternalKeyRefused, RegionNotAllowed),
        ),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str, body: NewKey) -> Response:
        """Move a tenant to another key

        Background workers make or probe the new key, prove it in each Region, switch to it at one moment, and
        re-encrypt all records. Requests are served all the time. The key before goes on opening until nothing is left
        under it; where values may be left that only the tenant's apps have, until it is forgotten on request.
        """
        tenant = named_tenant(slug)
        plan = start_key_move(
            tenant_id=tenant.id,
            tier=KeyTier(body.tier),
            external=external_key(body.external_key),
            actor=self.actor,
        )
        return plan_started(tenant.slug, plan)


class Forgetting(OperatorView):
    """/tenants/{slug}/previous-keys/forget"""

    @operation(
        "forgetPreviousKeys",
        body=Confirmation,
        answers={202: PlanStarted},
        errors=(NotFound, Conflict, PlanUnderWay),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str, body: Confirmation) -> Response:
        """Forget the keys that a tenant had before

        What is still under them cannot be opened afterwards. A dedicated one is scheduled for deletion.
        """
        tenant = named_tenant(slug)
        return plan_started(tenant.slug, start_forgetting(tenant_id=tenant.id, actor=self.actor))
