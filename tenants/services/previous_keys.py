"""Forgetting the key that a tenant had before: the last step of a move, and the only one that cannot be undone.

Three things must be true first. No sealed part is under one of its data keys: they are deleted in the same transaction,
which the foreign key of the parts refuses while there is one, and after which it refuses whoever still wanted to store
one. No index key is under it. And no values are sealed under it that only the tenant's apps have, as far as data keys
for values tell: where there are any, the key stays until somebody says that they are encrypted anew.
"""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from django.db.models import F

from crypto.arn import KeyArn
from crypto.context import Purpose
from crypto.errors import KeyNotFound, KeyUnusable
from tenants.errors import ReencryptionIncomplete
from tenants.models import DataKey, PreviousKey, SealedPart, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.clients import get_key_admin
from tenants.services.reencryption import VerifyReencryption
from tenants.services.work import Result, Work
from tenants.states import KeyTier, OperationKind

# As long as KMS lets one wait: until then the deletion can be cancelled.
_WAITING_DAYS: Final = 30


class ForgetPreviousKey:
    """Forget the oldest key from before; or with the argument `destroy` end the one that was forgotten just now."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, ReencryptionIncomplete)

    def perform(self, work: Work) -> Result:
        """Which key it is, once what came late under it is moved; or its deletion, which is scheduled in each Region:
        replicas first, the primary last."""
        if work.arguments.get("destroy"):
            return _destroy(work)
        VerifyReencryption().perform(work)
        with tenant_scope(work.tenant_id, "latest"):
            oldest = PreviousKey.objects.filter(tenant_id=work.tenant_id).order_by("replaced_at")
            found = oldest.first()
        if found is None:
            return {"arn": "", "forgotten": False}
        anew = bool(work.arguments.get("values_are_encrypted_anew"))
        return {"arn": found.arn, "tier": found.tier, "anew": anew, "forgotten": True}

    def record(self, work: Work, result: Result) -> None:
        """That it is gone, and the data keys with it; or that it stays, and why."""
        if work.arguments.get("destroy"):
            _record_end(work, result)
            return
        if not result["forgotten"]:
            return
        arn = KeyArn.parse(str(result["arn"]))
        # As whoever stores a data key does: none comes under the old key while this looks, nor after.
        TenantKey.objects.select_for_update().get(tenant_id=work.tenant_id)
        under = DataKey.objects.filter(
            tenant_id=work.tenant_id, key_arn__endswith=f":key/{arn.key_id}"
        )
        data_keys = list(under.select_for_update())
        _check_empty(work, [data_key.id for data_key in data_keys])
        purposes = {data_key.purpose for data_key in data_keys}
        if Purpose.INDEX in purposes:
            raise ReencryptionIncomplete("A search index key is left under the key before.")
        if Purpose.VALUE in purposes and not result["anew"]:
            result["forgotten"] = False
            _record_kept(work, str(arn))
            return
        under.delete()
        PreviousKey.objects.filter(tenant_id=work.tenant_id, arn=str(arn)).delete()
        Tenant.objects.filter(id=work.tenant_id).update(key_epoch=F("key_epoch") + 1)
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="previous_key.forgotten",
            subject=str(arn),
            detail={"tier": result["tier"], "data_keys": len(data_keys)},
        )


def _check_empty(work: Work, data_keys: list[UUID]) -> None:
    parts = SealedPart.objects.filter(tenant_id=work.tenant_id, data_key__in=data_keys)
    if left := parts.count():
        raise ReencryptionIncomplete(f"{left} parts are left under the key before.")


def _record_kept(work: Work, arn: str) -> None:
    record_event(
        tenant_id=work.tenant_id,
        actor=this_worker(),
        action="previous_key.kept",
        subject=arn,
        detail={"reason": "Values may be sealed under it that only the tenant's apps have."},
    )


def _destroy(work: Work) -> Result:
    """Schedule the deletion of the key that the step before has forgotten, if it has, and if it was ours alone."""
    forgotten = work.earlier[OperationKind.FORGET_PREVIOUS_KEY]
    if not forgotten.get("forgotten") or forgotten.get("tier") != KeyTier.DEDICATED:
        return {"arn": "", "destroyed": False}
    primary = KeyArn.parse(str(forgotten["arn"]))
    described = get_key_admin().describe_key(primary)
    regions = [*described.replica_regions, described.primary_region or primary.region]
    dates = {region: _schedule(primary.in_region(region)) for region in regions}
    return {"arn": str(primary), "destroyed": True, "deletion_dates": dict(dates)}


def _schedule(arn: KeyArn) -> str:
    try:
        date = get_key_admin().schedule_deletion(arn=arn, days=_WAITING_DAYS)
    except (KeyUnusable, KeyNotFound):
        return "scheduled before"
    return date.isoformat() if date else "after its replicas"


def _record_end(work: Work, result: Result) -> None:
    if result["destroyed"]:
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="previous_key.deletion_scheduled",
            subject=str(result["arn"]),
            detail={"deletion_dates": result["deletion_dates"]},
        )
