"""Retiring data keys: from then on new ones seal, and the old ones only open what is there."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db.models import F, Max

from crypto.context import Purpose
from crypto.errors import CredentialsRefused, KeyAccessDenied, KeyNotFound
from tenants.actor import Actor
from tenants.data_keys import outdated
from tenants.models import DataKey, RegionRule, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.clients import get_key_admin
from tenants.services.plans import locked_tenant, need_no_other_plan, write_plan
from tenants.services.renewal import reencryption_steps, renewal_steps
from tenants.services.work import Result, Work
from tenants.states import DataKeyState, OperationKind, PlanKind

# An index key is never replaced: the tokens that it made must be found again.
_SEALING = (Purpose.RECORD, Purpose.VALUE)


def retire_data_keys(*, tenant_id: UUID, actor: Actor, reencrypt: bool = False) -> UUID:
    """Plan that every data key of the tenant is replaced, under the same key; with `reencrypt` what they sealed too.

    Returns the id of the plan. Raises `NotFound`, `TenantNotActive` and `PlanUnderWay`.
    """
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id)
        need_no_other_plan(tenant_id)
        first = TenantKey.objects.get(tenant_id=tenant_id).primary_region
        rules = list(RegionRule.objects.filter(tenant_id=tenant_id).order_by("region"))
        home = tenant.home_region
        steps = renewal_steps(home=home, first=first, rules=rules, position=0, retire_all=True)
        if reencrypt:
            steps += reencryption_steps(home=home, first=first, rules=rules, position=2)
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="data_keys.rotation_started",
            detail={"reencrypt": reencrypt},
        )
        plan = PlanKind.REENCRYPTION if reencrypt else PlanKind.ROTATION
        return write_plan(tenant_id=tenant_id, plan=plan, steps=steps)


class RetireDataKeys:
    """Retire the data keys that are not under the current key and key material, or (argument `all`) every one."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound,)

    def perform(self, work: Work) -> Result:
        """Ask KMS for the current material: it may have rotated the key by itself since we last looked."""
        material = _current_material(work)
        return {"key_material_id": material, "all": bool(work.arguments.get("all")) or not material}

    def record(self, work: Work, result: Result) -> None:
        """All of it at one moment: the material, the retired keys and a greater key epoch, with which they leave the
        caches of every process. The moment up to which they were made is added to the result, for the steps to come."""
        TenantKey.objects.filter(tenant_id=work.tenant_id).update(
            key_material_id=result["key_material_id"]
        )
        sealing = DataKey.objects.filter(tenant_id=work.tenant_id, purpose__in=_SEALING)
        old = sealing if result["all"] else outdated(work.tenant_id).filter(purpose__in=_SEALING)
        retired = old.exclude(state=DataKeyState.RETIRED).update(state=DataKeyState.RETIRED)
        Tenant.objects.filter(id=work.tenant_id).update(key_epoch=F("key_epoch") + 1)
        if result["all"]:
            until = sealing.aggregate(latest=Max("created_at"))["latest"]
            result["retired_until"] = until.isoformat() if until else None
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="data_keys.retired",
            detail={"data_keys": retired, "key_material_id": result["key_material_id"]},
        )


def retired_until(work: Work) -> datetime | None:
    """The moment up to which data keys count as old because they were retired; None where only their key counts."""
    found = work.earlier.get(OperationKind.RETIRE_DATA_KEYS, {}).get("retired_until")
    return datetime.fromisoformat(str(found)) if found else None


def _current_material(work: Work) -> str:
    """The key material id, or "" for a key in another account that does not let us look."""
    try:
        return get_key_admin().describe_key(work.arns[work.primary_region]).key_material_id
    except CredentialsRefused:
        raise
    except KeyAccessDenied:
        return ""
