"""The key policy that a tenant's rules ask for, in KMS and in our tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from django.conf import settings

from crypto.arn import KeyArn
from crypto.errors import KeyNotFound
from tenants.key_policy import Document, Principals, Rule, build, fingerprint, render
from tenants.models import RegionalKey, RegionRule
from tenants.services.audit import record_event, this_worker
from tenants.services.clients import get_key_admin
from tenants.services.work import NotYet, Result, Work


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


def desired_policy(*, tenant: str, region: str, rules: Sequence[Rule]) -> Document:
    """The key policy of one Region; `tenant` is the tenant id of the encryption context."""
    principals = Principals(
        account_root=f"arn:{settings.AWS_PARTITION}:iam::{settings.AWS_ACCOUNT_ID}:root",
        use_role=settings.KMS_USE_ROLE_ARN,
        admin_role=settings.KMS_ADMIN_ROLE_ARN,
        audit_role=settings.KMS_AUDIT_ROLE_ARN,
    )
    return build(region=region, rules=rules, tenant=tenant, principals=principals)


def get_applied_policy(arn: KeyArn) -> Document:
    """The key policy that KMS holds in the Region of this key."""
    document: Document = json.loads(get_key_admin().get_key_policy(arn))
    return document


def put_policy(work: Work) -> str:
    """Make KMS hold the policy that the rules ask for, and return its fingerprint."""
    policy = desired_policy(tenant=work.tenant, region=work.region, rules=work.rules)
    if fingerprint(get_applied_policy(work.arn)) != fingerprint(policy):
        get_key_admin().put_key_policy(arn=work.arn, policy=render(policy))
    return fingerprint(policy)


def record_policy(work: Work, applied: str) -> None:
    """Record what KMS holds, unless the rules have changed since the claim: then `NotYet`, and all is done again.

    Without this, of two changes at the same time the older could be the last to reach KMS, and stay.
    """
    key = RegionalKey.objects.select_for_update().get(tenant_id=work.tenant_id, region=work.region)
    rules = list(RegionRule.objects.filter(tenant_id=work.tenant_id))
    desired = fingerprint(desired_policy(tenant=work.tenant, region=work.region, rules=rules))
    if applied != desired:
        raise NotYet(1)
    key.desired_fingerprint = key.applied_fingerprint = desired
    key.save(update_fields=["desired_fingerprint", "applied_fingerprint"])
