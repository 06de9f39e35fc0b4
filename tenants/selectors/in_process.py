"""The caller of in-process use: code that runs inside a Django project, and names the tenant that it acts for."""

from __future__ import annotations

from uuid import UUID

from crypto.arn import KeyArn
from crypto.keyring import TenantKeyRef
from tenants.errors import NotFound
from tenants.models import PreviousKey, RegionalKey, RegionRule, Tenant
from tenants.scope import Mode, tenant_scope
from tenants.selectors.caller import Caller
from tenants.selectors.keys import RuleView
from tenants.states import KeyRole, TenantKind

# There is no credential: whoever runs code in the process acts for any tenant that it names.
_NO_API_KEY = UUID(int=0)


def get_in_process_caller(tenant_id: UUID, mode: Mode = "read") -> Caller:
    """What the registry says of this tenant: state, key, key epoch and rules. Raises `NotFound`. Nothing is cached.

    `mode` says whether this Region's reader is asked, or the writer ("latest").
    """
    with tenant_scope(tenant_id, mode):
        tenant = Tenant.objects.filter(id=tenant_id).first()
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id))
        keys = RegionalKey.objects.filter(tenant_id=tenant_id, verified_at__isnull=False)
        proven = list(keys.exclude(arn="").filter(region__in=[rule.region for rule in rules]))
        # After the current keys: a key that is replaced meanwhile is among the one or the other.
        previous = list(PreviousKey.objects.filter(tenant_id=tenant_id).order_by("-replaced_at"))
    if tenant is None or tenant.kind == TenantKind.POOL:
        raise NotFound("No such tenant.")
    return Caller(
        tenant_id=tenant_id,
        slug=tenant.slug,
        state=tenant.state,
        api_key_id=_NO_API_KEY,
        scopes=frozenset(),
        key=_key(tenant, proven, previous),
        rules={
            rule.region: RuleView(rule.region, rule.may_encrypt, tuple(rule.may_decrypt))
            for rule in rules
        },
    )


def _key(
    tenant: Tenant, keys: list[RegionalKey], previous: list[PreviousKey]
) -> TenantKeyRef | None:
    if not keys:
        return None
    keys.sort(key=lambda key: (key.role != KeyRole.PRIMARY, key.region))
    arns = [KeyArn.parse(key.arn) for key in keys]
    return TenantKeyRef(
        tenant=tenant.context_id,
        epoch=tenant.key_epoch,
        key=arns[0],
        regions=tuple(arn.region for arn in arns),
        previous=tuple(KeyArn.parse(key.arn) for key in previous),
    )
