"""The people of the cast, signed in: the operator, and members of a tenant by their role."""

from __future__ import annotations

import secrets
from uuid import UUID

from django.test import Client

from tenants.models import User
from tenants.selectors import TenantView
from tenants.services.access import add_member, create_operator
from tests.cast import OPERATOR

PASSWORD = "correct horse battery staple"


def address(name: str) -> str:
    """An address that no other test has."""
    return f"{name}-{secrets.token_hex(4)}@cast.example"


def as_operator() -> Client:
    """An operator's session."""
    email = address("operator")
    create_operator(email=email, password=PASSWORD)
    return session_of(email)


def as_member(tenant: TenantView, role: str) -> Client:
    """The session of a new member of that role."""
    email = address(role)
    join(tenant, email, role)
    return session_of(email)


def join(tenant: TenantView, email: str, role: str) -> UUID:
    """Add a member; returns the member's id."""
    member = add_member(
        tenant_id=tenant.id, email=email, password=PASSWORD, role=role, actor=OPERATOR
    )
    return member.id


def session_of(email: str) -> Client:
    """A client in which the person of this address is signed in."""
    client = Client()
    client.force_login(User.objects.get(email=email))
    return client
