"""What is wrong with keys and plans, made to be shown: a policy that was opened, a key of nobody, a failed step."""

from __future__ import annotations

import json

from tenants.kms.key_admin import KmsKeyAdmin
from tenants.models import KeyOperation, OrphanKey
from tenants.models.base import new_id
from tenants.scope import fleet_scope, tenant_scope
from tenants.selectors import TenantView, get_progress
from tenants.services.reconciliation import check_key
from tests.cast import as_region
from tests.tenants.aws import arn_of, clients, policy_of

BACKDOOR = {
    "Sid": "Backdoor",
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": "kms:Decrypt",
    "Resource": "*",
}


def open_a_backdoor(tenant: TenantView, region: str) -> None:
    """Somebody has changed the key policy, and that Region's worker has seen it."""
    document = policy_of(tenant, region)
    document["Statement"].append(BACKDOOR)
    KmsKeyAdmin(clients()).put_key_policy(arn=arn_of(tenant, region), policy=json.dumps(document))
    check(tenant, region)


def check(tenant: TenantView, region: str) -> None:
    """Compare the key as that Region's worker does."""
    with as_region(region):
        check_key(tenant_id=tenant.id, region=region)


def orphan(region: str = "eu-west-1") -> OrphanKey:
    """A key with our tag that no tenant owns, as a worker has written it down."""
    with fleet_scope("write"):
        return OrphanKey.objects.create(
            region=region,
            arn=f"arn:aws:kms:{region}:111122223333:key/mrk-{new_id().hex}",
            key_state="Enabled",
            tags={"mrk-gateway:tenant-id": "0" * 32},
        )


def stop(tenant: TenantView) -> KeyOperation:
    """The first step of the newest plan has failed, in the midst of its rows."""
    first = get_progress(tenant.id).operations[0]
    with tenant_scope(tenant.id, "write"):
        rows = KeyOperation.objects.filter(tenant_id=tenant.id, id=first.id)
        rows.update(
            state="failed",
            error={"code": "key_access_denied", "message": "KMS refuses <it>."},
            result={"done": 1200, "total": 4000},
        )
        return rows.get()
