"""Revoking a pooled tenant in KMS: the pool's key serves others, so it is not disabled, but its policy denies the one.

Whom it denies follows from the tenants' states alone (`revoked_tenants`), so that doing it again, or two at the same
time, ends with the same policy.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from crypto.arn import KeyArn
from tenants.key_policy import fingerprint, render
from tenants.models import RegionalKey
from tenants.scope import fleet_scope
from tenants.services.clients import get_key_admin
from tenants.services.policies import get_applied_policy, pool_policy_of, read_pool_policy
from tenants.services.work import NotYet

_TRIES: Final = 5


def enforce_denials(pool_id: UUID, region: str) -> str:
    """Make the pool's key in that Region refuse its revoked tenants, and no other; returns the policy's fingerprint.

    Opens scopes of its own, and calls KMS between them: for handlers, in `perform`. Raises `PolicyTooLarge` where the
    policy has no room for another tenant, and KMS's errors.
    """
    with fleet_scope("latest"):
        arn = KeyArn.parse(RegionalKey.objects.get(tenant_id=pool_id, region=region).arn)
    for _ in range(_TRIES):
        policy = pool_policy_of(pool_id, region)
        if fingerprint(get_applied_policy(arn)) != fingerprint(policy):
            get_key_admin().put_key_policy(arn=arn, policy=render(policy))
        with fleet_scope("write"):
            row = RegionalKey.objects.select_for_update().get(tenant_id=pool_id, region=region)
            # Of two workers the one with the older view may have been the last to reach KMS: it sees that here.
            if read_pool_policy(pool_id, region) == policy:
                row.desired_fingerprint = row.applied_fingerprint = fingerprint(policy)
                row.save(update_fields=["desired_fingerprint", "applied_fingerprint"])
                return row.applied_fingerprint
    raise NotYet(1)
