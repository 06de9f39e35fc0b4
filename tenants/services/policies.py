"""The key policy that a tenant's rules ask for, in KMS and in our tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar
from uuid import UUID

from django.conf import settings

from crypto.arn import KeyArn
from crypto.errors import KeyNotFound
from tenants import pool_policy
from tenants.errors import KeyShared
from tenants.key_policy import Document, Principals, Rule, build, fingerprint, render
from tenants.models import RegionalKey, RegionRule, Tenant
from tenants.scope import fleet_scope
from tenants.selectors.pools import pool_rules, revoked_tenants
from tenants.services.audit import record_event, this_worker
from tenants.services.clients import get_key_admin
from tenants.services.work import NotYet, Result, Work
from tenants.states import KeyTier, TenantKind


class ApplyKeyPolicy:
    """Put the key policy in force that the rules ask for, in one Region."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Replace the policy, unless KMS holds it already."""
        return {"arn": str(work.arn), "fingerprint": put_policy(work)}

    def record(self, work: Work, result: Result) -> None:
        """That it is in force."""
        record_policy(work, str(result["fingerprint"]))
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="key.policy_applied",
            subject=str(result["arn"]),
            detail={"region": work.region, "fingerprint": result["fingerprint"]},
        )


def desired_policy(
    *, tenant: str, region: str, rules: Sequence[Rule], denied: Sequence[str] | None = None
) -> Document:
    """The key policy of one Region; `tenant` is the tenant id of the encryption context.

    With `denied`, be it empty, that of a pool's key, which names no tenant but those. Raises `PolicyTooLarge` for it.
    """
    principals = Principals(
        account_root=f"arn:{settings.AWS_PARTITION}:iam::{settings.AWS_ACCOUNT_ID}:root",
        use_role=settings.KMS_USE_ROLE_ARN,
        admin_role=settings.KMS_ADMIN_ROLE_ARN,
        audit_role=settings.KMS_AUDIT_ROLE_ARN,
    )
    if denied is not None:
        return pool_policy.build(region=region, rules=rules, principals=principals, denied=denied)
    return build(region=region, rules=rules, tenant=tenant, principals=principals)


def desired_policy_of(work: Work) -> Document:
    """The key policy of the key that this work is about, whoever owns it but the tenant itself. Opens its own scope.

    A pooled tenant's key has the policy of its pool. Raises `KeyShared` for an external key, whose policy is its
    owner's, and `PolicyTooLarge`.
    """
    if work.tier == KeyTier.EXTERNAL:
        raise KeyShared("The key policy of an external key belongs to the key's owner.")
    pool_id = work.tenant_id if work.is_pool else work.pool_id
    if pool_id is not None:
        return pool_policy_of(pool_id, work.region)
    return desired_policy(tenant=work.tenant, region=work.region, rules=work.rules)


def pool_policy_of(pool_id: UUID, region: str) -> Document:
    """The key policy of a pool's key, from its rules and its revoked tenants at this moment. Opens its own scope."""
    with fleet_scope("latest"):
        return read_pool_policy(pool_id, region)


def read_pool_policy(pool_id: UUID, region: str) -> Document:
    """The same in the caller's fleet scope."""
    rules, denied = list(pool_rules(pool_id)), revoked_tenants(pool_id)
    return desired_policy(tenant="", region=region, rules=rules, denied=denied)


def desire_policies(tenant: Tenant, rules: Sequence[RegionRule]) -> None:
    """From this moment on the key policies are to be those of `rules`, in the caller's write scope, and the console
    shows which are not yet. A Region without a rule is one that the tenant leaves: no policy is desired there."""
    ruled = {rule.region for rule in rules}
    for key in RegionalKey.objects.filter(tenant_id=tenant.id).order_by("region"):
        key.desired_fingerprint = ""
        if key.region in ruled:
            policy = desired_policy(
                tenant=tenant.context_id,
                region=key.region,
                rules=rules,
                # Whom a pool denies this scope does not show: whoever puts the policy writes down what it is with them.
                denied=() if tenant.kind == TenantKind.POOL else None,
            )
            key.desired_fingerprint = fingerprint(policy)
        key.save(update_fields=["desired_fingerprint"])


def get_applied_policy(arn: KeyArn) -> Document:
    """The key policy that KMS holds in the Region of this key."""
    document: Document = json.loads(get_key_admin().get_key_policy(arn))
    return document


def put_policy(work: Work) -> str:
    """Make KMS hold the policy that the rules ask for, and return its fingerprint.

    A pool's policy also follows what happens to its tenants: where that has changed meanwhile it is put again, so that
    of two workers the one with the older view is never the last.
    """
    policy = desired_policy_of(work)
    while True:
        if fingerprint(get_applied_policy(work.arn)) != fingerprint(policy):
            get_key_admin().put_key_policy(arn=work.arn, policy=render(policy))
        if not work.is_pool or policy == (latest := desired_policy_of(work)):
            return fingerprint(policy)
        policy = latest


def record_policy(work: Work, applied: str) -> None:
    """Record what KMS holds, unless the rules have changed since the claim: then `NotYet`, and all is done again.

    Without this, of two changes at the same time the older could be the last to reach KMS, and stay. Of a pool's key,
    whose policy depends on more than this tenant's rows, the desired fingerprint tells whether something has changed.
    """
    if work.of_new_key:
        return  # SWITCH_KEY writes down what the steps of a move have found, all at once
    key = RegionalKey.objects.select_for_update().get(tenant_id=work.tenant_id, region=work.region)
    if work.is_pool or work.shares_key:
        if key.desired_fingerprint not in (applied, work.desired[work.region]):
            raise NotYet(1)
        key.desired_fingerprint = key.applied_fingerprint = applied
        key.save(update_fields=["desired_fingerprint", "applied_fingerprint"])
        return
    rules = list(RegionRule.objects.filter(tenant_id=work.tenant_id))
    desired = fingerprint(desired_policy(tenant=work.tenant, region=work.region, rules=rules))
    if applied != desired:
        raise NotYet(1)
    key.desired_fingerprint = key.applied_fingerprint = desired
    key.save(update_fields=["desired_fingerprint", "applied_fingerprint"])
