"""Rotation of a tenant's key and data keys, re-encryption of its records, and what is sealed under which key."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import PlanStarted, plan_started
from gateway.api.shapes import Answer, Body, list_of
from tenants.errors import Conflict, NotFound, RegionNotAllowed
from tenants.selectors.key_usage import get_key_rotation, list_key_usage, parts_left
from tenants.services.data_keys import retire_data_keys
from tenants.services.reencryption import start_reencryption
from tenants.services.rotation import MOST_ON_DEMAND, rotate_key, set_rotation

_HEADERS = (LOCATION, CONSISTENCY_TOKEN)


class RotationSetting(Body):
    """How often KMS rotates the key by itself: each so many days, 90 to 2560, or 0 for never."""

    days: Annotated[int, Meta(ge=0, le=2560, examples=[365])]


class Renewal(Body):
    """Whether all records are re-encrypted afterwards. Without it, what is there stays as it is and goes on opening."""

    reencrypt: bool = False


class KeyRotation(Answer):
    """How the key rotates. `key_material_id` is the current material as far as the gateway last saw, empty before the
    first rotation; `on_demand_left` how many of the 25 rotations on demand of the key's life are left."""

    days: int
    key_material_id: str
    on_demand_left: int


class UsedKey(Answer):
    """The data keys that one key material of one Region's key has wrapped, and the sealed parts of records under it."""

    purpose: str
    key_arn: str
    key_material_id: str
    data_keys: int
    parts: int
    is_current: bool


class KeyUsageList(Answer):
    """What is sealed under which key. Re-encryption moves `parts_left`, those under an old key or old key material."""

    usage: list[UsedKey]
    parts_left: int


class KeyRotations(OperatorView):
    """/tenants/{slug}/key-rotation"""

    @operation("getKeyRotation", answers={200: KeyRotation}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """How a tenant's key rotates"""
        found = get_key_rotation(named_tenant(slug).id)
        left = MOST_ON_DEMAND - found.on_demand_rotations
        return Response(
            KeyRotation(days=found.days, key_material_id=found.key_material_id, on_demand_left=left)
        )

    @operation(
        "setKeyRotation",
        body=RotationSetting,
        answers={202: PlanStarted},
        errors=(NotFound, Conflict),
        answer_headers=_HEADERS,
    )
    def put(self, request: Request, slug: str, body: RotationSetting) -> Response:
        """Set how often KMS rotates a tenant's key by itself"""
        tenant = named_tenant(slug)
        plan = set_rotation(tenant_id=tenant.id, days=body.days, actor=self.actor)
        return plan_started(tenant.slug, plan)

    @operation(
        "rotateKey",
        body=Renewal,
        answers={202: PlanStarted},
        errors=(NotFound, Conflict),
        answer_headers=_HEADERS,
    )
    def post(self, request: Request, slug: str, body: Renewal) -> Response:
        """Rotate a tenant's key now

        The key gets new key material in every Region, new data keys are made from then on, and search index keys are
        wrapped anew. A key has 25 rotations on demand in its life.
        """
        tenant = named_tenant(slug)
        plan = rotate_key(tenant_id=tenant.id, actor=self.actor, reencrypt=body.reencrypt)
        return plan_started(tenant.slug, plan)


class DataKeyRotation(OperatorView):
    """/tenants/{slug}/data-key-rotation"""

    @operation(
        "rotateDataKeys",
        body=Renewal,
        answers={202: PlanStarted},
        errors=(NotFound, Conflict),
        answer_headers=_HEADERS,
    )
    def post(self, request: Request, slug: str, body: Renewal) -> Response:
        """Replace a tenant's data keys, under the same key"""
        tenant = named_tenant(slug)
        plan = retire_data_keys(tenant_id=tenant.id, actor=self.actor, reencrypt=body.reencrypt)
        return plan_started(tenant.slug, plan)


class Reencryption(OperatorView):
    """/tenants/{slug}/reencryption"""

    @operation(
        "startReencryption",
        answers={202: PlanStarted},
        errors=(NotFound, Conflict, RegionNotAllowed),
        answer_headers=_HEADERS,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Re-encrypt a tenant's records that are under an old key or old key material

        In the background, while the tenant reads and writes. Progress counts the sealed parts.
        """
        tenant = named_tenant(slug)
        plan = start_reencryption(tenant_id=tenant.id, actor=self.actor)
        return plan_started(tenant.slug, plan)


class KeyUsage(OperatorView):
    """/tenants/{slug}/key-usage"""

    @operation("listKeyUsage", answers={200: KeyUsageList}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """What of a tenant is sealed under which key and key material"""
        usage = list_key_usage(named_tenant(slug).id)
        return Response(KeyUsageList(usage=list_of(usage, UsedKey), parts_left=parts_left(usage)))
