"""People: members of a tenant and operators, who sign in to the console."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from tenants.actor import Actor
from tenants.errors import Conflict, InputInvalid, NotFound
from tenants.models import Member, User
from tenants.scope import tenant_scope
from tenants.selectors.access import MemberView, view_of_member
from tenants.services.audit import record_event
from tenants.states import MemberRole


def add_member(
    *, tenant_id: UUID, email: str, password: str | None, role: str, actor: Actor
) -> MemberView:
    """Give a person a place in the tenant, or another role there. Whoever has an account keeps its password.

    Raises `InputInvalid` for a bad address, role or password, and `Conflict` when the tenant would lose its last owner.
    """
    _check(email, password, role)
    hashed = make_password(password)  # slow on purpose, so it is done outside of the transaction
    with tenant_scope(tenant_id, "write"):
        user, _ = User.objects.get_or_create(
            email=User.objects.normalise(email), defaults={"password": hashed}
        )
        member, added = Member.objects.get_or_create(
            tenant_id=tenant_id, user=user, defaults={"role": role}
        )
        if not added and member.role != role:
            _keep_an_owner(member)
            member.role = role
            member.save(update_fields=["role"])
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="member.added" if added else "member.role_set",
            subject=str(member.id),
            detail={"user": str(user.id), "role": role},
        )
        return view_of_member(member)


def remove_member(*, tenant_id: UUID, member_id: UUID, actor: Actor) -> None:
    """End a person's place in the tenant; the account stays. Raises `NotFound`, or `Conflict` for the last owner."""
    with tenant_scope(tenant_id, "write"):
        member = Member.objects.filter(tenant_id=tenant_id, id=member_id).first()
        if member is None:
            raise NotFound("No such member.")
        _keep_an_owner(member)
        member.delete()
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="member.removed",
            subject=str(member_id),
            detail={"user": str(member.user_id), "role": member.role},
        )


def create_operator(*, email: str, password: str) -> None:
    """An operator with this password, whether the account is new or not; the same again changes nothing."""
    _check(email, password, MemberRole.OWNER)
    hashed = make_password(password)
    user, added = User.objects.get_or_create(
        email=User.objects.normalise(email), defaults={"password": hashed, "is_operator": True}
    )
    if added:
        return
    if not check_password(password, user.password):
        user.password = hashed
    user.is_operator = True
    user.save(update_fields=["password", "is_operator"])


def _keep_an_owner(member: Member) -> None:
    """Locks the tenant's owners, so that two of them cannot leave at the same moment."""
    if member.role != MemberRole.OWNER:
        return
    owners = Member.objects.filter(tenant_id=member.tenant_id, role=MemberRole.OWNER)
    if {owner.id for owner in owners.order_by("id").select_for_update()} == {member.id}:
        raise Conflict("The last owner of a tenant must stay.")


def _check(email: str, password: str | None, role: str) -> None:
    problems = []
    try:
        validate_email(email.strip())
    except ValidationError:
        problems.append(("/email", "must be an e-mail address"))
    if role not in MemberRole.values:
        problems.append(("/role", f"must be one of {', '.join(MemberRole.values)}"))
    if password is not None:
        try:
            validate_password(password)
        except ValidationError as error:
            problems += [("/password", message) for message in error.messages]
    if problems:
        raise InputInvalid("The account cannot be set up.", problems)
