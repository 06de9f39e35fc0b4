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
from tenants.services.customers import need_customer
from tenants.states import MemberRole

_LONGEST_EMAIL = 254  # RFC 5321, section 4.5.3.1.3, and our column
_ACCOUNT_FROM_ELSEWHERE = (
    "This address has an account already. Only the operator can add it, without a password."
)


def add_member(
    *, tenant_id: UUID, email: str, password: str | None, role: str, actor: Actor
) -> MemberView:
    """Give a person a place in the tenant, or another role there. Whoever has an account keeps its password.

    Raises `InputInvalid` for a bad address, role or password, and `Conflict` when the tenant would lose its last owner,
    or for an account from elsewhere that this actor may not take in, and `TenantIsPool`.
    """
    _check(email, password, role)
    email = User.objects.normalise(email)
    known = User.objects.filter(email=email).first()
    # Both are slow on purpose, so they are done outside of the transaction.
    is_vouched_for = known is not None and _is_vouched_for(known, password, actor)
    hashed = make_password(password) if known is None else ""
    with tenant_scope(tenant_id, "write"):
        need_customer(tenant_id)
        user, is_new = User.objects.get_or_create(email=email, defaults={"password": hashed})
        member, added = Member.objects.get_or_create(
            tenant_id=tenant_id, user=user, defaults={"role": role}
        )
        if added and not is_new and not is_vouched_for:
            raise Conflict(_ACCOUNT_FROM_ELSEWHERE)
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


def _is_vouched_for(user: User, password: str | None, actor: Actor) -> bool:
    """Whether an account from elsewhere may get a place in one more tenant.

    Whoever made it chose its first password, without proof that the address is theirs: an owner could make an account
    for somebody of another tenant and wait until that tenant's owner takes it in. So an operator must, who leaves the
    password out, which says that they know whose account it is, or gives the one that it has.
    """
    if actor.kind != "operator":
        return False
    return password is None or check_password(password, user.password)


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
        fits = len(email.strip()) <= _LONGEST_EMAIL
    except ValidationError:
        fits = False
    if not fits:
        problems.append(
            ("/email", f"must be an e-mail address of at most {_LONGEST_EMAIL} characters")
        )
    if role not in MemberRole.values:
        problems.append(("/role", f"must be one of {', '.join(MemberRole.values)}"))
    if password is not None:
        try:
            validate_password(password)
        except ValidationError as error:
            problems += [("/password", message) for message in error.messages]
    if problems:
        raise InputInvalid("The account cannot be set up.", problems)
