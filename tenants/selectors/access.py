"""API keys, members and operators: who may ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from tenants.actor import Actor
from tenants.credential import OPERATOR_PREFIX, digest, is_well_formed
from tenants.errors import CredentialInvalid
from tenants.models import ApiKey, Member, OperatorKey
from tenants.scope import fleet_scope, reads, tenant_scope


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """An API key as lists show it; `shown` is the start of the token, which is itself stored nowhere."""

    id: UUID
    name: str
    shown: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class MemberView:
    """A person's place in the tenant."""

    id: UUID
    user_id: UUID
    email: str
    role: str
    created_at: datetime


def view_of_key(key: ApiKey) -> ApiKeyView:
    """The view of a row that was read in a scope."""
    return ApiKeyView(
        id=key.id,
        name=key.name,
        shown=key.prefix,
        scopes=tuple(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


def view_of_member(member: Member) -> MemberView:
    """The view of a row that was read, with its user, in a scope."""
    return MemberView(
        id=member.id,
        user_id=member.user_id,
        email=member.user.email,
        role=member.role,
        created_at=member.created_at,
    )


def list_api_keys(tenant_id: UUID) -> list[ApiKeyView]:
    """All API keys of the tenant, revoked ones too, newest first."""
    with tenant_scope(tenant_id, "read"):
        return [
            view_of_key(key) for key in ApiKey.objects.filter(tenant_id=tenant_id).order_by("-id")
        ]


def list_members(tenant_id: UUID) -> list[MemberView]:
    """All members of the tenant, by address."""
    with tenant_scope(tenant_id, "read"):
        found = Member.objects.filter(tenant_id=tenant_id).select_related("user")
        return [view_of_member(member) for member in found.order_by("user__email")]


@reads
def check_operator(token: str) -> Actor:
    """The operator that this credential is of; raises `CredentialInvalid`, whatever is wrong with it."""
    if is_well_formed(token, OPERATOR_PREFIX):
        with fleet_scope("read"):
            found = OperatorKey.objects.filter(
                Q(expires_at=None) | Q(expires_at__gt=Now()),
                digest=digest(token),
                revoked_at=None,
            ).values_list("id", flat=True)
            for key_id in found:
                return Actor(kind="operator", id=str(key_id))
    raise CredentialInvalid("The credential is not valid.")
