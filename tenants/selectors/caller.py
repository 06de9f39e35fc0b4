"""The caller of one request: what its credential says of the tenant, read anew each time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connections

from crypto.arn import KeyArn
from crypto.keyring import TenantKeyRef
from tenants.credential import TENANT_PREFIX, digest, is_well_formed
from tenants.errors import (
    CredentialInvalid,
    RegionNotAllowed,
    RegionNotReady,
    ScopeMissing,
    TenantNotActive,
)
from tenants.key_policy import opens
from tenants.scope import fleet_scope, reads, scope_alias
from tenants.selectors.keys import RuleView
from tenants.states import KeyRole, TenantState

# One query by the digest's index, written out because every request of a tenant app pays for it. Rules and keys come
# as JSON: PostgreSQL has no ragged arrays. The primary's ARN comes first. A key that is not proven yet, or whose
# Region the tenant is leaving, is none that serves.
_BY_DIGEST = """
    select k.id, k.scopes, t.id, t.slug, t.state, t.key_epoch,
        (select json_agg(json_build_array(r.region, r.may_encrypt, r.may_decrypt))::text
            from tenants_regionrule r where r.tenant_id = t.id),
        (select json_agg(g.arn order by g.role = %(primary)s desc, g.region)::text
            from tenants_regionalkey g join tenants_regionrule r using (tenant_id, region)
            where g.tenant_id = t.id and g.arn <> '' and g.verified_at is not null),
        (select json_agg(p.arn order by p.replaced_at desc)::text
            from tenants_previouskey p where p.tenant_id = t.id)
    from tenants_apikey k join tenants_tenant t on t.id = k.tenant_id
    where k.digest = %(digest)s and k.revoked_at is null and (k.expires_at is null or k.expires_at > now())
"""


@dataclass(frozen=True, slots=True)
class Caller:
    """What one request knows of its tenant. `key` has the Regions with a proven one; None before there is any."""

    tenant_id: UUID
    slug: str
    state: str
    api_key_id: UUID
    scopes: frozenset[str]
    key: TenantKeyRef | None
    rules: Mapping[str, RuleView]

    def need(self, scope: str) -> None:
        """Raise `ScopeMissing` unless the API key has this scope."""
        if scope not in self.scopes:
            raise ScopeMissing(f"This API key has no scope {scope}.")

    def need_active(self) -> None:
        """Raise `TenantNotActive` unless requests of the tenant are served."""
        if self.state != TenantState.ACTIVE:
            raise TenantNotActive(f"The tenant is not active: {self.state}.")

    def need_region(self, region: str) -> None:
        """Raise `RegionNotAllowed` where the tenant has no rule for that Region: nothing of it is served there.

        Nor is anything before the Region's own key is proven (`RegionNotReady`): other Regions stand in for an outage
        of one that serves, and not for one that has never begun to.
        """
        if region not in self.rules:
            raise RegionNotAllowed(f"The tenant's data is not served in {region}.")
        if self.key is not None and region not in self.key.regions:
            raise RegionNotReady(f"The tenant's key in {region} is not proven yet.")

    def may_encrypt(self, region: str) -> bool:
        """Whether the tenant's rule lets that Region encrypt."""
        rule = self.rules.get(region)
        return rule is not None and rule.may_encrypt

    def may_decrypt(self, region: str, classification: str) -> bool:
        """Whether the tenant's rule lets that Region decrypt that classification."""
        rule = self.rules.get(region)
        return rule is not None and opens(rule, classification)

    def key_for(self, region: str, classification: str, *, sealing: bool = False) -> TenantKeyRef:
        """The key as that Region uses it for this classification. Raises `TenantNotActive` before there is one.

        Another Region stands in for its KMS only where that one's rule allows the same: a Region that must refuse
        would be the end of the search, though the next one may answer.
        """
        if self.key is None:
            raise TenantNotActive("The tenant's key is not made yet.")
        regions = tuple(
            each
            for each in self.key.regions
            if each == region
            or (self.may_decrypt(each, classification) and (self.may_encrypt(each) or not sealing))
        )
        return replace(self.key, regions=regions)


@reads
def get_caller(token: str) -> Caller:
    """The caller that this API key belongs to.

    Raises `CredentialInvalid` for one that is malformed, unknown, expired or revoked, and never says which. Nothing
    is cached: a revoked key, a changed rule and a new key epoch count from the next request on.
    """
    if is_well_formed(token, TENANT_PREFIX):
        with (
            fleet_scope("read"),
            connections[scope_alias()].cursor() as cursor,
        ):
            cursor.execute(_BY_DIGEST, {"digest": digest(token), "primary": KeyRole.PRIMARY.value})
            row = cursor.fetchone()
        if row is not None:
            return _caller(row)
    raise CredentialInvalid("The credential is not valid.")


def _caller(row: tuple[Any, ...]) -> Caller:
    api_key_id, scopes, tenant_id, slug, state, key_epoch, rules, arns, previous = row
    return Caller(
        tenant_id=tenant_id,
        slug=slug,
        state=state,
        api_key_id=api_key_id,
        scopes=frozenset(scopes),
        key=_key(tenant_id, key_epoch, json.loads(arns or "[]"), json.loads(previous or "[]")),
        rules={
            region: RuleView(region, may_encrypt, tuple(may_decrypt))
            for region, may_encrypt, may_decrypt in json.loads(rules or "[]")
        },
    )


def _key(tenant_id: UUID, epoch: int, arns: list[Any], previous: list[Any]) -> TenantKeyRef | None:
    keys = [KeyArn.parse(arn) for arn in arns]
    if not keys:
        return None
    # The encryption context names the tenant by its id without hyphens (`Tenant.context_id`).
    return TenantKeyRef(
        tenant=tenant_id.hex,
        epoch=epoch,
        key=keys[0],
        regions=tuple(key.region for key in keys),
        previous=tuple(KeyArn.parse(arn) for arn in previous),
    )
