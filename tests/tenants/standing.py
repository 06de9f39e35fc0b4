"""What must stand in KMS, in Parameter Store and in our tables when a plan about Regions is done: all of it counted,
and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Collection

from crypto.errors import KeyNotFound
from crypto.kms.clients import Plane
from crypto.kms.translate import translated
from tenants.key_policy import difference
from tenants.kms.key_directory import KeyDirectory
from tenants.models import TenantKey
from tenants.scope import tenant_scope
from tenants.selectors import (
    TenantView,
    get_key_id,
    get_tenant,
    list_audit_events,
    list_region_rules,
    list_regional_keys,
)
from tenants.services.policies import desired_policy
from tenants.services.publication import alias_of, parameter_of
from tests.cast import EVERYWHERE
from tests.tenants.aws import aliases_of, clients, keys_of, parameter, policy_of


def stands_in(tenant: TenantView, regions: Collection[str], *, primary: str = "us-east-2") -> None:
    """One multi-Region key in exactly these Regions: enabled, with its policy, one alias and one parameter in each."""
    found = keys_of(tenant)
    assert sorted(found) == sorted(regions)
    assert all(len(arns) == 1 for arns in found.values()), found
    assert {arn.key_id for arns in found.values() for arn in arns} == {get_key_id(tenant.id)}
    for region in EVERYWHERE:
        if region in regions:
            _stands(tenant, region, str(found[region][0]), is_primary=region == primary)
        else:
            nothing_is_published(tenant, region)
    keys = list_regional_keys(tenant.id)
    assert {key.region: key.arn for key in keys} == {r: str(arns[0]) for r, arns in found.items()}
    assert [key.region for key in keys if key.role == "primary"] == [primary]
    assert all(key.policy_in_force and key.verified_at for key in keys), keys
    assert {key.key_state for key in keys} == {"Enabled"}
    assert sorted(rule.region for rule in list_region_rules(tenant.id)) == sorted(regions)
    with tenant_scope(tenant.id, "latest"):
        assert TenantKey.objects.get(tenant_id=tenant.id).primary_region == primary
    assert get_tenant(tenant.slug).home_region == primary


def _stands(tenant: TenantView, region: str, arn: str, *, is_primary: bool) -> None:
    described = clients().kms(region, Plane.ADMIN).describe_key(KeyId=arn)["KeyMetadata"]
    assert described["KeyState"] == "Enabled"
    kind = described["MultiRegionConfiguration"]["MultiRegionKeyType"]
    assert kind == ("PRIMARY" if is_primary else "REPLICA")
    wanted = desired_policy(tenant=tenant.id.hex, region=region, rules=list_region_rules(tenant.id))
    assert difference(wanted, policy_of(tenant, region)) == ()
    [key] = keys_of(tenant)[region]
    assert aliases_of(key) == [alias_of(tenant.slug)]
    assert parameter(tenant, region)["value"] == arn


def nothing_is_published(tenant: TenantView, region: str) -> None:
    """Neither alias nor parameter names a key of the tenant there."""
    assert not finds(tenant, region)
    directory = KeyDirectory(clients())
    assert directory.find(region=region, name=parameter_of(tenant.slug)) is None


def finds(tenant: TenantView, region: str) -> bool:
    """Whether the tenant's alias leads to a key there."""
    try:
        with translated("kms:DescribeKey", region):
            clients().kms(region, Plane.ADMIN).describe_key(KeyId=alias_of(tenant.slug))
    except KeyNotFound:
        return False
    return True


def told(tenant: TenantView, action: str) -> int:
    """How often an action stands in the audit log."""
    events = list_audit_events(tenant.id, before=None, limit=500)
    return [event.action for event in events].count(action)
