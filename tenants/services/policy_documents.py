"""Key policies to be read by people: as desired, as KMS holds them, and where the two differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from crypto.arn import KeyArn
from tenants import external_policy, key_policy, pool_policy
from tenants.errors import KeyShared, NotFound
from tenants.key_policy import Document, StatementDifference, fingerprint
from tenants.models import RegionalKey, RegionRule, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.selectors.keys import RuleView
from tenants.services.clients import get_key_reader
from tenants.services.policies import desired_policy, pool_policy_of
from tenants.states import KeyTier, TenantKind


@dataclass(frozen=True, slots=True)
class Explained:
    """One statement of a document, and what it means, in a sentence."""

    sid: str
    meaning: str
    statement: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """The key policy of one Region. `arn` is empty while the key is not made."""

    region: str
    arn: str
    tier: str
    fingerprint: str
    document: Document
    statements: tuple[Explained, ...]


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """How the key policy that KMS holds differs from the desired one; nothing where it does not."""

    region: str
    desired: PolicyDocument
    applied: PolicyDocument
    statements: tuple[StatementDifference, ...]
    said: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether KMS holds what it should."""
        return not self.said


def get_desired_policy(*, tenant_id: UUID, region: str) -> PolicyDocument:
    """The key policy that the tenant's rules ask for in that Region: of a pooled tenant its pool's, of an external key
    what its owner pastes. Asks no AWS. Raises `NotFound` for a Region without a rule."""
    with tenant_scope(tenant_id, "read"):
        tenant = Tenant.objects.get(id=tenant_id)
        key = TenantKey.objects.get(tenant_id=tenant_id)
        regional = RegionalKey.objects.filter(tenant_id=tenant_id, region=region).first()
        rows = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
    rules = [RuleView(row.region, row.may_encrypt, tuple(row.may_decrypt)) for row in rows]
    if region not in {rule.region for rule in rules}:
        raise NotFound("The tenant has no rule for that Region.")
    pool_id = tenant_id if tenant.kind == TenantKind.POOL else key.pool_id
    explain: Any = key_policy.explain
    if key.tier == KeyTier.EXTERNAL:
        parts = external_policy.statements(
            region=region, rules=rules, tenant=tenant.context_id, use_role=settings.KMS_USE_ROLE_ARN
        )
        document = {"Version": "2012-10-17", "Statement": [part.statement for part in parts]}
        explain = _literally
    elif pool_id is not None:
        document, explain = pool_policy_of(pool_id, region), pool_policy.explain
    else:
        document = desired_policy(tenant=tenant.context_id, region=region, rules=rules)
    meanings = [meaning for _, meaning in explain(document)]
    return _document(region, regional.arn if regional else "", key.tier, document, meanings)


def get_applied_policy(*, tenant_id: UUID, region: str) -> PolicyDocument:
    """The key policy that KMS holds there now, read with the audit role.

    A statement that is as desired is explained; of any other it is said what it says. Raises `NotFound` while there is
    no key, `KeyShared` for an external key, whose policy is its owner's, and KMS's errors.
    """
    return _applied(get_desired_policy(tenant_id=tenant_id, region=region))


def compare_policy(*, tenant_id: UUID, region: str) -> PolicyComparison:
    """Both, and where they differ; raises as `get_applied_policy`."""
    desired = get_desired_policy(tenant_id=tenant_id, region=region)
    applied = _applied(desired)
    return PolicyComparison(
        region=region,
        desired=desired,
        applied=applied,
        statements=key_policy.compare(desired.document, applied.document),
        said=key_policy.difference(desired.document, applied.document),
    )


def _applied(desired: PolicyDocument) -> PolicyDocument:
    if desired.tier == KeyTier.EXTERNAL:
        raise KeyShared("The key policy of an external key is its owner's to read.")
    if not desired.arn:
        raise NotFound("The tenant has no key in that Region yet.")
    document: Document = json.loads(get_key_reader().get_key_policy(KeyArn.parse(desired.arn)))
    wrong = {each.sid for each in key_policy.compare(desired.document, document)}
    known = {one.sid: one.meaning for one in desired.statements if one.sid not in wrong}
    meanings = [
        known.get(sid) or key_policy.describe(statement) for sid, statement in _statements(document)
    ]
    return _document(desired.region, desired.arn, desired.tier, document, meanings)


def _document(
    region: str, arn: str, tier: str, document: Document, meanings: list[str]
) -> PolicyDocument:
    explained = tuple(
        Explained(sid, meaning, statement)
        for (sid, statement), meaning in zip(_statements(document), meanings, strict=True)
    )
    return PolicyDocument(region, arn, tier, fingerprint(document), document, explained)


def _literally(document: Document) -> list[tuple[str, str]]:
    return [(sid, key_policy.describe(statement)) for sid, statement in _statements(document)]


def _statements(document: Document) -> list[tuple[str, Mapping[str, Any]]]:
    """Whatever stands there, each with its Sid or number."""
    given = document.get("Statement", [])
    listed = given if isinstance(given, list) else [given]
    return [
        (str(one.get("Sid", f"Statement {number}")), one)
        for number, one in enumerate(listed, 1)
        if isinstance(one, Mapping)
    ]
