"""API keys of a tenant's apps: issue, list, revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from django.urls import reverse
from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN, LOCATION
from gateway.api.named import named_id, named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer, Body, Name, list_of, shaped
from tenants.errors import InputInvalid, NotFound
from tenants.selectors import ApiKeyView, list_api_keys
from tenants.services.access import issue_api_key, revoke_api_key


class NewApiKey(Body):
    """An API key to issue. `expires_at` is a time with an offset from UTC; without it, the key does not expire."""

    name: Name
    scopes: Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(min_length=1, max_length=16)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class ApiKey(Answer):
    """An API key; `shown` is the start of its token."""

    id: UUID
    name: str
    shown: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class IssuedApiKey(Answer):
    """A fresh API key. Its token is answered this once and stored nowhere."""

    api_key: ApiKey
    token: str


class ApiKeyList(Answer):
    """All API keys of a tenant, revoked ones too, newest first."""

    api_keys: list[ApiKey]


class ApiKeys(OperatorView):
    """/tenants/{slug}/api-keys"""

    @operation(
        "issueApiKey",
        body=NewApiKey,
        answers={201: IssuedApiKey},
        errors=(NotFound,),
        answer_headers=(LOCATION, CONSISTENCY_TOKEN),
    )
    def post(self, request: Request, slug: str, body: NewApiKey) -> Response:
        """Issue an API key"""
        tenant = named_tenant(slug)
        issued = issue_api_key(
            tenant_id=tenant.id,
            name=body.name,
            scopes=body.scopes,
            expires_at=_in_utc(body.expires_at),
            actor=self.actor,
        )
        where = reverse("api:api-key", args=[tenant.slug, issued.view.id])
        answer = IssuedApiKey(api_key=shaped(issued.view, ApiKey), token=issued.token)
        return Response(answer, status=201, headers={LOCATION: where})

    @operation("listApiKeys", answers={200: ApiKeyList}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """List a tenant's API keys"""
        keys = list_api_keys(named_tenant(slug).id)
        return Response(ApiKeyList(api_keys=list_of(keys, ApiKey)))


class OneApiKey(OperatorView):
    """/tenants/{slug}/api-keys/{api_key_id}"""

    @operation("getApiKey", answers={200: ApiKey}, errors=(NotFound,))
    def get(self, request: Request, slug: str, api_key_id: str) -> Response:
        """One API key"""
        tenant = named_tenant(slug)
        return Response(shaped(_find(tenant.id, named_id(api_key_id)), ApiKey))

    @operation(
        "revokeApiKey",
        answers={204: None},
        errors=(NotFound,),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def delete(self, request: Request, slug: str, api_key_id: str) -> Response:
        """Revoke an API key

        Refused from the next request on, in every Region that has seen the change. Revoking twice is no error.
        """
        tenant = named_tenant(slug)
        revoke_api_key(tenant_id=tenant.id, api_key_id=named_id(api_key_id), actor=self.actor)
        return Response(status=204)


def _in_utc(at: datetime | None) -> datetime | None:
    try:
        return at and at.astimezone(UTC)
    except OverflowError:
        raise InputInvalid(
            "No such time.", [("/expires_at", "must be a year from 1 to 9999")]
        ) from None


def _find(tenant_id: UUID, api_key_id: UUID) -> ApiKeyView:
    for key in list_api_keys(tenant_id):
        if key.id == api_key_id:
            return key
    raise NotFound("No such API key.")
