"""Members: the people of a tenant who sign in to the console."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.headers import CONSISTENCY_TOKEN
from gateway.api.named import named_tenant
from gateway.api.operation import OperatorView, operation
from gateway.api.shapes import Answer, Body, Name, list_of, shaped
from tenants.errors import Conflict, NotFound
from tenants.selectors import list_members
from tenants.services.access import add_member


class NewMember(Body):
    """A person to add. `password` is for a person without an account; it is at least 12 characters long."""

    email: Name
    role: Annotated[str, Meta(max_length=20)]
    password: Annotated[str, Meta(max_length=256)] | None = None


class Member(Answer):
    """A person's place in the tenant."""

    id: UUID
    user_id: UUID
    email: str
    role: str
    created_at: datetime


class MemberList(Answer):
    """All members of a tenant, by address."""

    members: list[Member]


class Members(OperatorView):
    """/tenants/{slug}/members"""

    @operation(
        "addMember",
        body=NewMember,
        answers={201: Member},
        errors=(NotFound, Conflict),
        answer_headers=(CONSISTENCY_TOKEN,),
    )
    def post(self, request: Request, slug: str, body: NewMember) -> Response:
        """Add a member"""
        member = add_member(
            tenant_id=named_tenant(slug).id,
            email=body.email,
            password=body.password,
            role=body.role,
            actor=self.actor,
        )
        return Response(shaped(member, Member), status=201)

    @operation("listMembers", answers={200: MemberList}, errors=(NotFound,))
    def get(self, request: Request, slug: str) -> Response:
        """List a tenant's members"""
        return Response(MemberList(members=list_of(list_members(named_tenant(slug).id), Member)))
