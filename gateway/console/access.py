"""Who may do what in the console: one table from role to permissions. What is not in the table is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.core.exceptions import PermissionDenied

from tenants.actor import Actor
from tenants.errors import NotFound
from tenants.selectors import TenantView, get_tenant, list_memberships
from tenants.states import MemberRole


class Permission(StrEnum):
    """What a page may demand. Templates ask `{% if "keys" in can %}`."""

    SIGNED_IN = "signed-in"  # a page that concerns no tenant
    FLEET = "fleet"  # onboard tenants, change their Regions, retry and cancel, decide on keys without an owner
    VIEW = "view"  # see one tenant
    KEYS = "keys"  # change Region rules, verify, repair, rotate, revoke, end the tenant
    API_KEYS = "api-keys"  # issue and revoke
    MEMBERS = "members"  # add and remove


_EVERYBODY = frozenset({Permission.SIGNED_IN})
_OF_ROLE: Mapping[str, frozenset[Permission]] = {
    MemberRole.OWNER: frozenset(
        {Permission.VIEW, Permission.KEYS, Permission.API_KEYS, Permission.MEMBERS}
    ),
    MemberRole.KEY_ADMIN: frozenset({Permission.VIEW, Permission.KEYS}),
    MemberRole.DEVELOPER: frozenset({Permission.VIEW, Permission.API_KEYS}),
    MemberRole.AUDITOR: frozenset({Permission.VIEW}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """The person behind a request, and the one tenant that the request is about."""

    user_id: UUID
    email: str
    is_operator: bool
    tenant: TenantView | None = None
    role: str = ""

    @property
    def permissions(self) -> frozenset[Permission]:
        """All that this person may do here."""
        if self.is_operator:
            return frozenset(Permission)
        return _EVERYBODY | _OF_ROLE.get(self.role, frozenset())

    @property
    def actor(self) -> Actor:
        """Whom the audit log names."""
        return Actor(kind="operator" if self.is_operator else "member", id=str(self.user_id))

    def need(self, permission: Permission | None) -> None:
        """Raise PermissionDenied unless this person has it; nobody has None."""
        if permission not in self.permissions:
            raise PermissionDenied


def get_visitor(*, user_id: UUID, email: str, is_operator: bool, slug: str | None) -> Visitor:
    """The visitor of a page about the tenant `slug` (None: about no tenant).

    Raises NotFound for a tenant that this person may not see, whether it exists or not: members are never looked up by
    tenant, but tenants by membership."""
    visitor = Visitor(user_id=user_id, email=email, is_operator=is_operator)
    if slug is None:
        return visitor
    tenant, role = _tenant_of(user_id, is_operator, slug)
    return Visitor(user_id=user_id, email=email, is_operator=is_operator, tenant=tenant, role=role)


def _tenant_of(user_id: UUID, is_operator: bool, slug: str) -> tuple[TenantView, str]:
    if is_operator:
        return get_tenant(slug), ""
    for tenant, role in list_memberships(user_id):
        if tenant.slug == slug:
            return tenant, role
    raise NotFound("No such tenant.")
