"""Tenants: onboard, list, see."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from django.urls import reverse
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response
from structlog.contextvars import bind_contextvars

from gateway.api.external_key_shapes import ExternalKey, external_key
from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.operations import Plan, plan_of
from gateway.api.region_rules import RegionRule
from gateway.api.shapes import (
    Answer,
    Body,
    Classification,
    Name,
    PageSize,
    RegionName,
    Slug,
    list_of,
    shaped,
)
from tenants.errors import ExternalKeyRefused, NotFound, TenantExists
from tenants.selectors import (
    TenantView,
    get_key_id,
    get_progress,
    list_region_rules,
    list_regional_keys,
    list_tenants,
)
from tenants.selectors.key_tiers import get_key_tier
from tenants.services.key_choice import KeyInput
from tenants.services.onboarding import RegionRuleInput, start_onboarding
from tenants.states import KeyTier


class NewRegionRule(Body):
    """A Region of a new tenant; without more, it may encrypt, and decrypt every classification."""

    region: RegionName
    may_encrypt: bool = True
    may_decrypt: Annotated[list[Classification], Meta(max_length=64)] = msgspec.field(
        default_factory=lambda: ["*"]
    )


RegionRules = Annotated[list[NewRegionRule], Meta(min_length=1, max_length=32)]


class NewPool(Body):
    """A pool to make. `home_region` is where its multi-Region key is made first; its tenants follow its rules."""

    slug: Slug
    name: Name
    home_region: RegionName
    region_rules: RegionRules


class NewTenant(NewPool):
    """A tenant to onboard. `home_region` is where its multi-Region key is made first.

    With `tier` = `pooled` it shares the key of `pool`, whose rules hold for the Regions that are named; with `external`
    it brings `external_key`."""

    tier: Literal["dedicated", "pooled", "external"] = "dedicated"
    pool: Slug = ""
    external_key: ExternalKey | None = None


class TenantsQuery(Body):
    """Tenants by slug, those behind `after`."""

    after: Slug | None = None
    limit: PageSize = 50


class Tenant(Answer):
    """A tenant. `key_epoch` counts changes that make every process forget the tenant's data keys."""

    id: UUID
    slug: str
    name: str
    state: str
    home_region: str
    key_epoch: int
    created_at: datetime
    activated_at: datetime | None
    kind: str


class TenantLine(Answer):
    """A tenant in a list: its Regions, home first, and how far its newest plan is."""

    tenant: Tenant
    regions: list[str]
    done: int
    total: int
    failed: int


class TenantPage(Answer):
    """Tenants by slug; `next` goes into `after`, and is null on the last page."""

    tenants: list[TenantLine]
    next: str | None


class RegionalKey(Answer):
    """The primary or a replica in one Region. `policy_in_force`: KMS holds the key policy that the rules ask for.

    `deletion_date` is when KMS deletes the key, in a Region that the tenant leaves."""

    region: str
    role: str
    arn: str
    key_state: str
    policy_in_force: bool
    verified_at: datetime | None
    applied_fingerprint: str
    desired_fingerprint: str
    deletion_date: datetime | None


class PreviousKey(Answer):
    """A key that the tenant had before, and that still opens some of its data."""

    arn: str
    tier: str
    replaced_at: datetime


class TenantDetail(Answer):
    """A tenant with its key in each Region, its Region rules and its newest plan.

    `tier` says whose key it is, `pool` with whom it is shared, if it is; `previous_keys` still open some data."""

    tenant: Tenant
    key_id: str
    tier: str
    pool: str
    previous_keys: list[PreviousKey]
    regional_keys: list[RegionalKey]
    region_rules: list[RegionRule]
    progress: Plan


class TenantStarted(Answer):
    """A tenant whose onboarding is under way; `progress` is the path to follow."""

    tenant: Tenant
    progress: str


def rules_of(rules: list[NewRegionRule]) -> list[RegionRuleInput]:
    """The rules of a body, as services take them."""
    return [
        RegionRuleInput(
            region=rule.region, may_encrypt=rule.may_encrypt, may_decrypt=tuple(rule.may_decrypt)
        )
        for rule in rules
    ]


def started(tenant: TenantView) -> Response:
    """202, with the way to the tenant or pool and to its progress."""
    bind_contextvars(tenant=tenant.slug)
    answer = TenantStarted(
        tenant=shaped(tenant, Tenant), progress=reverse("api:operations", args=[tenant.slug])
    )
    location = reverse("api:tenant", args=[tenant.slug])
    return Response(answer, status=202, headers={LOCATION: location})


class TenantList(OperatorView):
    """/tenants"""

    @operation(
        "onboardTenant",
        body=NewTenant,
        answers={202: TenantStarted},
        errors=(TenantExists, ExternalKeyRefused),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, body: NewTenant) -> Response:
        """Onboard a tenant

        Plans the work that makes its multi-Region key and replicates it; background workers do it. The same again
        answers the same; another content under a known slug is a conflict.
        """
        tenant = start_onboarding(
            slug=body.slug,
            name=body.name,
            home_region=body.home_region,
            rules=rules_of(body.region_rules),
            key=KeyInput(
                tier=KeyTier(body.tier), pool=body.pool, external=external_key(body.external_key)
            ),
            actor=self.actor,
        )
        return started(tenant)

    @operation("listTenants", query=TenantsQuery, answers={200: TenantPage})
    def get(self, request: Request, query: TenantsQuery) -> Response:
        """List tenants"""
        found = list_tenants(after=query.after, limit=query.limit + 1)
        page = found[: query.limit]
        more = len(found) > len(page)
        lines = list_of(page, TenantLine)
        return Response(TenantPage(tenants=lines, next=lines[-1].tenant.slug if more else None))


class OneTenant(OperatorView):
    """/tenants/{slug}"""

    @operation("getTenant", answers={200: TenantDetail}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """One tenant with its keys, Region rules and progress"""
        tenant = named_tenant(slug)
        key = get_key_tier(tenant.id)
        return Response(
            TenantDetail(
                tenant=shaped(tenant, Tenant),
                key_id=get_key_id(tenant.id),
                tier=key.tier,
                pool=key.pool,
                previous_keys=list_of(key.previous_keys, PreviousKey),
                regional_keys=list_of(list_regional_keys(tenant.id), RegionalKey),
                region_rules=list_of(list_region_rules(tenant.id), RegionRule),
                progress=plan_of(get_progress(tenant.id)),
            )
        )
