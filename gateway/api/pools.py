"""Pools: keys that several tenants share."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer, list_of
from gateway.api.tenants import NewPool, TenantStarted, rules_of, started
from tenants.errors import TenantExists
from tenants.selectors.pools import list_pools
from tenants.services.onboarding import create_pool


class Pool(Answer):
    """A pool, and how many tenants share its key."""

    id: UUID
    slug: str
    name: str
    state: str
    home_region: str
    regions: list[str]
    tenants: int


class PoolList(Answer):
    """All pools by slug."""

    pools: list[Pool]


class Pools(OperatorView):
    """/pools"""

    @operation(
        "createPool",
        body=NewPool,
        answers={202: TenantStarted},
        errors=(TenantExists,),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, body: NewPool) -> Response:
        """Make a pool

        Plans the work that makes its multi-Region key, whose key policies demand that some tenant is named in the
        encryption context, and name none. The same again answers the same. A pool is followed, verified and given other
        rules as a tenant is, under its slug.
        """
        pool = create_pool(
            slug=body.slug,
            name=body.name,
            home_region=body.home_region,
            rules=rules_of(body.region_rules),
            actor=self.actor,
        )
        return started(pool)

    @operation("listPools", answers={200: PoolList})
    def get(self, request: Request) -> Response:
        """List pools"""
        return Response(PoolList(pools=list_of(list_pools(), Pool)))
