"""Credentials of programs: API keys of tenant apps, operator keys of the SaaS company."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone

from tenants.actor import Actor
from tenants.credential import OPERATOR_PREFIX, TENANT_PREFIX, digest, new_token, shown
from tenants.errors import InputInvalid, NotFound
from tenants.models import ApiKey, OperatorKey
from tenants.scope import fleet_scope, tenant_scope
from tenants.selectors.access import ApiKeyView, view_of_key
from tenants.services.audit import record_event
from tenants.services.customers import need_customer
from tenants.states import ApiScope

_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new API key. `token` is the credential itself, returned this once and stored nowhere."""

    view: ApiKeyView
    token: str = field(repr=False)


def issue_api_key(
    *,
    tenant_id: UUID,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    actor: Actor,
) -> IssuedKey:
    """A new credential for a tenant app. Raises `InputInvalid` for an unknown scope, none at all, or a past expiry,
    and `TenantIsPool`."""
    problems = [*_name_problems(name), *_scope_problems(scopes), *_expiry_problems(expires_at)]
    if problems:
        raise InputInvalid("The API key cannot be issued.", problems)
    token = new_token(TENANT_PREFIX)
    with tenant_scope(tenant_id, "write"):
        need_customer(tenant_id)
        key = ApiKey.objects.create(
            tenant_id=tenant_id,
            name=name.strip(),
            scopes=[scope for scope in ApiScope.values if scope in scopes],
            prefix=shown(token),
            digest=digest(token),
            expires_at=expires_at,
        )
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="api_key.issued",
            subject=str(key.id),
            detail={"name": key.name, "scopes": key.scopes},
        )
    return IssuedKey(view_of_key(key), token)


def revoke_api_key(*, tenant_id: UUID, api_key_id: UUID, actor: Actor) -> None:
    """End an API key, from its next request on in every Region that has received this. Doing it again changes nothing.

    Raises `NotFound` when there is no such key, which includes the keys of other tenants.
    """
    with tenant_scope(tenant_id, "write"):
        mine = ApiKey.objects.filter(tenant_id=tenant_id, id=api_key_id)
        if mine.filter(revoked_at=None).update(revoked_at=Now()):
            record_event(
                tenant_id=tenant_id, actor=actor, action="api_key.revoked", subject=str(api_key_id)
            )
        elif not mine.exists():
            raise NotFound("No such API key.")


def issue_operator_key(*, name: str) -> str:
    """A new credential of the SaaS company's own automation; the token is returned this once."""
    problems = _name_problems(name)
    if problems:
        raise InputInvalid("The operator key cannot be issued.", problems)
    token = new_token(OPERATOR_PREFIX)
    with fleet_scope("write"):
        OperatorKey.objects.create(name=name.strip(), prefix=shown(token), digest=digest(token))
    return token


def _name_problems(name: str) -> list[tuple[str, str]]:
    fits = 0 < len(name.strip()) <= _NAME_LENGTH and name.isprintable()
    return [] if fits else [("/name", f"must be 1 to {_NAME_LENGTH} printable characters")]


def _scope_problems(scopes: Sequence[str]) -> list[tuple[str, str]]:
    if not scopes:
        return [("/scopes", "must name at least one scope")]
    known = ", ".join(ApiScope.values)
    return [
        (f"/scopes/{index}", f"must be one of {known}")
        for index, scope in enumerate(scopes)
        if scope not in ApiScope.values
    ]


def _expiry_problems(expires_at: datetime | None) -> list[tuple[str, str]]:
    if expires_at is None:
        return []
    if timezone.is_naive(expires_at):
        return [("/expires_at", "must name its time zone")]
    return [] if expires_at > timezone.now() else [("/expires_at", "must lie in the future")]
