"""CreateGrant, ListGrants and ListRetirableGrants.

Source: AWS KMS Developer Guide, "Grants in AWS KMS", and the API Reference of each operation.
"""

from __future__ import annotations

from typing import Any

from sandbox.kms.authorization import (
    applicable_grants,
    authorize_key,
    authorize_resource,
    decide,
    refuse_unless_allowed,
)
from sandbox.kms.call import Call
from sandbox.kms.conditions import DIRECT, encryption_conditions
from sandbox.kms.errors import Refusal, access_denied
from sandbox.kms.grant_requests import wanted_grant
from sandbox.kms.granting import new_token
from sandbox.kms.grants import Grant
from sandbox.kms.keys import RegionalKey
from sandbox.kms.lookup import find_by_id
from sandbox.kms.pages import kms_page
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import SETTLED, require_state
from sandbox.kms.use import stop_dry_run

_MAX_GRANTS = 50_000


@operation("CreateGrant")
def create_grant(service: Service, call: Call) -> Answer:
    """Let a principal do some operations, under a constraint or none. With a name, the same again is the same grant."""
    wanted = call.parameters
    key = find_by_id(service, call, wanted["KeyId"], foreign=True)
    grant = wanted_grant(service, call, key)
    _authorize_creation(service, call, key, grant)
    require_state(key, SETTLED, call.now)
    existing = service.store.grants.of_key(key)
    same = next((item for item in existing if grant.name and _is_same(item, grant)), None)
    if same is None and len(existing) >= _MAX_GRANTS:
        raise Refusal("LimitExceededException", f"{key.arn} has {_MAX_GRANTS} grants already.")
    stop_dry_run(call)
    if same is None:
        service.store.put(grant)
    found = same or grant
    return {"GrantId": found.id, "GrantToken": new_token(service.store, found)}


@operation("ListGrants", read_only=True)
def list_grants(service: Service, call: Call) -> Answer:
    """The grants of one key, all or those of one id or grantee."""
    wanted = call.parameters
    key = find_by_id(service, call, wanted["KeyId"], foreign=True)
    authorize_key(service, call, "kms:ListGrants", key, DIRECT)
    grants = [
        grant
        for grant in service.store.grants.of_key(key)
        if wanted.get("GrantId", grant.id) == grant.id
        and wanted.get("GranteePrincipal", grant.grantee) == grant.grantee
    ]
    return _page(grants, call)


@operation("ListRetirableGrants", read_only=True, needs=["RetiringPrincipal"])
def list_retirable_grants(service: Service, call: Call) -> Answer:
    """The grants in this Region that a principal of the caller's account may retire, on keys of any account."""
    principal = call.parameters["RetiringPrincipal"]
    if not principal.startswith("arn:"):
        raise Refusal("InvalidArnException", "The retiring principal is not an ARN.")
    if principal.split(":")[4] != call.account:
        raise access_denied("The retiring principal is not of your account.")
    authorize_resource(call, "kms:ListRetirableGrants", principal)
    return _page(service.store.grants.retirable_by(call.region, principal), call)


def _authorize_creation(service: Service, call: Call, key: RegionalKey, grant: Grant) -> None:
    """A policy, or a grant with CreateGrant in it, which passes on no more than it gives."""
    constraints = [
        name
        for name, pairs in (("EncryptionContextEquals", grant.equals), ("EncryptionContextSubset", grant.subset))
        if pairs is not None
    ]  # fmt: skip
    conditions = {
        **DIRECT,
        **encryption_conditions({**(grant.subset or {}), **(grant.equals or {})}),
        "kms:grantoperations": grant.operations,
        "kms:granteeprincipal": (grant.grantee,),
        **({"kms:retiringprincipal": (grant.retiring,)} if grant.retiring else {}),
        **({"kms:grantconstrainttype": tuple(constraints)} if constraints else {}),
    }
    decision = decide(service, call, "kms:CreateGrant", key, conditions)
    if decision.is_silent:
        parents = applicable_grants(service, call, "kms:CreateGrant", key, conditions)
        if any(parent.covers(grant) for parent in parents):
            return
    refuse_unless_allowed(decision, call, "kms:CreateGrant", key.arn)


def _is_same(one: Grant, other: Grant) -> bool:
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("name", "grantee", "retiring", "operations", "equals", "subset", "issuer")
    )


def _page(grants: list[Grant], call: Call) -> dict[str, Any]:
    page, rest = kms_page(grants, lambda grant: grant.id, call.parameters, default=50, most=100)
    return {"Grants": [_listed(grant) for grant in page], **rest}


def _listed(grant: Grant) -> dict[str, Any]:
    constraints = {
        "EncryptionContextEquals": grant.equals,
        "EncryptionContextSubset": grant.subset,
    }
    row = {
        "KeyId": f"arn:aws:kms:{grant.region}:{grant.account}:key/{grant.key_id}",
        "GrantId": grant.id,
        "Name": grant.name,
        "CreationDate": grant.created_at,
        "GranteePrincipal": grant.grantee,
        "RetiringPrincipal": grant.retiring or None,
        "IssuingAccount": grant.issuer,
        "Operations": list(grant.operations),
        "Constraints": {k: dict(v) for k, v in constraints.items() if v is not None} or None,
    }
    return {name: value for name, value in row.items() if value is not None}
