"""Orphan keys: keys in KMS with our tag that no tenant owns, and what becomes of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.named import named_id
from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer, list_of
from tenants.errors import NotFound, OrphanNotFree
from tenants.selectors.drift import list_orphans
from tenants.services.orphan_decisions import adopt_orphan, schedule_orphan


class OrphanKey(Answer):
    """A key without an owner. `resolution` is empty while nobody has decided; `scheduled` waits for the Region's
    worker to carry it out."""

    id: UUID
    region: str
    arn: str
    key_state: str
    tags: dict[str, str]
    found_at: datetime
    resolution: str


class OrphanKeyList(Answer):
    """The first 200 that are to be decided on, or whose decision is to be carried out."""

    orphan_keys: list[OrphanKey]


class OrphanKeys(OperatorView):
    """/orphan-keys"""

    @operation("listOrphanKeys", answers={200: OrphanKeyList})
    def get(self, request: Request) -> Response:
        """List keys that no tenant owns"""
        return Response(OrphanKeyList(orphan_keys=list_of(list_orphans(), OrphanKey)))


class Adoption(OperatorView):
    """/orphan-keys/{orphan_key_id}/adopt"""

    @operation("adoptOrphanKey", answers={204: None}, errors=(NotFound, OrphanNotFree))
    def post(self, request: Request, orphan_key_id: str) -> Response:
        """Let the tenant that a key is tagged with take it

        For a tenant whose own key is not made yet: the step that was to make one takes this one and goes on.
        """
        adopt_orphan(orphan_id=named_id(orphan_key_id), actor=self.actor)
        return Response(status=204)


class Scheduling(OperatorView):
    """/orphan-keys/{orphan_key_id}/schedule"""

    @operation("scheduleOrphanKey", answers={204: None}, errors=(NotFound, OrphanNotFree))
    def post(self, request: Request, orphan_key_id: str) -> Response:
        """Let KMS delete a key after 30 days

        Only a key that no tenant has or had, and with which nothing was ever sealed. Its Region's worker does it.
        """
        schedule_orphan(orphan_id=named_id(orphan_key_id), actor=self.actor)
        return Response(status=204)
