"""The caller of in-process use: code that runs inside a Django project, and names the tenant that it acts for."""

from __future__ import annotations

from uuid import UUID

from crypto.arn import KeyArn
from crypto.keyring import TenantKeyRef
from tenants.errors import NotFound
from tenants.models import RegionalKey, RegionRule, Tenant
from tenants.scope import tenant_scope
from tenants.selectors.caller import Caller
from tenants.selectors.keys import RuleView
from tenants.states import KeyRole

# There is no credential: whoever runs code in the process acts for any tenant that it names.
_NO_API_KEY = UUID(int=0)


def get_in_process_caller(tenant_id: UUID) -> Caller:
    """What the registry says of this tenant: state, key, key epoch and rules. Raises `NotFound`. Nothing is cached."""
    with tenant_scope(tenant_id, "read"):
        tenant = Tenant.objects.filter(id=tenant_id).first()
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id))
        keys = list(RegionalKey.objects.filter(tenant_id=tenant_id).exclude(arn=""))
    if tenant is None:
        raise NotFound("No such tenant.")
    return Caller(
        tenant_id=tenant_id,
        slug=tenant.slug,
        state=tenant.state,
        api_key_id=_NO_API_KEY,
        scopes=frozenset(),
        key=_key(tenant, keys),
        rules={
            rule.region: RuleView(rule.region, rule.may_encrypt, tuple(rule.may_decrypt))
            for rule in rules
        },
    )


def _key(tenant: Tenant, keys: list[RegionalKey]) -> TenantKeyRef | None:
    if not keys:
        return None
    keys.sort(key=lambda key: (key.role != KeyRole.PRIMARY, key.region))
    arns = [KeyArn.parse(key.arn) for key in keys]
    return TenantKeyRef(
        tenant.context_id, tenant.key_epoch, arns[0], tuple(arn.region for arn in arns)
    )
