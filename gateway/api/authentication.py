"""Bearer credentials. The tenant comes from the API key and from nothing else."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from structlog.contextvars import bind_contextvars

from gateway.errors import CredentialKindWrong, CredentialMissing
from tenants.actor import Actor
from tenants.credential import OPERATOR_PREFIX, TENANT_PREFIX
from tenants.selectors import Caller, check_operator, get_caller
from tenants.services.serving import forget_unless_active


class TenantAppAuthentication(BaseAuthentication):
    """A tenant's API key: `Authorization: Bearer mrkg_...`."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        """The caller; raises `CredentialMissing`, `CredentialKindWrong`, `CredentialInvalid`."""
        caller: Caller = get_caller(_bearer(request, TENANT_PREFIX, OPERATOR_PREFIX))
        bind_contextvars(tenant=caller.slug, actor=f"api_key:{caller.api_key_id}")
        forget_unless_active(caller)
        return caller, None

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return "Bearer"


class OperatorAuthentication(BaseAuthentication):
    """An operator key: `Authorization: Bearer mrko_...`."""

    def authenticate(self, request: Request | HttpRequest) -> tuple[Any, None]:
        """The actor; raises `CredentialMissing`, `CredentialKindWrong`, `CredentialInvalid`."""
        actor: Actor = check_operator(_bearer(request, OPERATOR_PREFIX, TENANT_PREFIX))
        bind_contextvars(actor=f"{actor.kind}:{actor.id}")
        return actor, None

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401."""
        return "Bearer"


def _bearer(request: Request | HttpRequest, prefix: str, other: str) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise CredentialMissing(f"Send Authorization: Bearer {prefix}_...")
    if token.startswith(f"{other}_"):
        raise CredentialKindWrong(f"This path takes a key that begins with {prefix}_.")
    return token
