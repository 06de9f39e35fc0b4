"""Wrapping index keys anew. The key itself stays, or every search token would have to be made again.

KMS does it with ReEncrypt: the plaintext never leaves it. Where the tenant moves to another key, what is wrapped by the
new one is put in place only together with the move (`apply_rewrapped`): until then nobody could open it.
"""

from __future__ import annotations

import base64
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from crypto.arn import KeyArn
from crypto.context import EncryptionContext, Purpose
from crypto.errors import KeyAccessDenied, KeyNotFound
from tenants.kms.rewrapping import rewrap
from tenants.models import DataKey, KeyOperation, TenantKey
from tenants.scope import tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.clients import get_clients
from tenants.services.renewal import region_for
from tenants.services.work import NotVerified, Result, Work
from tenants.states import DataKeyState, OperationKind, OperationState

# Where an earlier step of the plan has found or made the key that the tenant moves to.
_MAKERS: Final = (
    OperationKind.JOIN_POOL,
    OperationKind.PROBE_EXTERNAL_KEY,
    OperationKind.CREATE_PRIMARY_KEY,
)


class RewrapIndexKeys:
    """Wrap the index keys anew of the classifications that this Region may both decrypt and encrypt."""

    settles: ClassVar[tuple[type[Exception], ...]] = (KeyNotFound, KeyAccessDenied)

    def perform(self, work: Work) -> Result:
        """Those that are not under the current material of the destination yet. Doing it again does no harm."""
        destination = _destination(work)
        with tenant_scope(work.tenant_id, "latest"):
            key = TenantKey.objects.get(tenant_id=work.tenant_id)
            rows = list(_active(work.tenant_id).order_by("classification"))
        material = key.key_material_id if key.key_id == destination.key_id else ""
        regions = {
            row.id: region_for(work.rules, work.primary_region, row.classification) for row in rows
        }
        return {
            "key_arn": str(destination),
            "rewrapped": [
                _rewrapped(work, row, destination)
                for row in rows
                if regions[row.id] == work.region and not _is_under(row, destination, material)
            ],
            "no_region": [row.classification for row in rows if regions[row.id] is None],
        }

    def record(self, work: Work, result: Result) -> None:
        """Put them in place, unless the tenant has yet to move to that key."""
        rewrapped = cast("list[dict[str, Any]]", result["rewrapped"])
        key = TenantKey.objects.get(tenant_id=work.tenant_id)
        if key.key_id == KeyArn.parse(str(result["key_arn"])).key_id:
            for each in rewrapped:
                _put(work.tenant_id, each)
        if rewrapped:
            record_event(
                tenant_id=work.tenant_id,
                actor=this_worker(),
                action="index_keys.rewrapped",
                subject=str(result["key_arn"]),
                detail={"region": work.region, "index_keys": len(rewrapped)},
            )


def apply_rewrapped(*, tenant_id: UUID, plan_id: UUID, destination: KeyArn) -> None:
    """Put in place what the plan has wrapped by `destination`, in the transaction that makes it the tenant's key.

    Raises `NotVerified` where an index key is left under another key: it was made meanwhile, or no Region may wrap it.
    """
    steps = KeyOperation.objects.filter(
        tenant_id=tenant_id,
        plan_id=plan_id,
        kind=OperationKind.REWRAP_INDEX_KEYS,
        state=OperationState.DONE,
    )
    for step in steps.order_by("position", "id"):
        for each in step.result["rewrapped"]:
            if KeyArn.parse(each["key_arn"]).is_related_to(destination):
                _put(tenant_id, each)
    left = _active(tenant_id).exclude(key_arn__endswith=f":key/{destination.key_id}")
    if classes := sorted(left.values_list("classification", flat=True)):
        raise NotVerified(f"Index keys are not wrapped by the new key: {', '.join(classes)}.")


def _destination(work: Work) -> KeyArn:
    """The key to wrap by, in this Region: the one that the plan names or has made, else the tenant's own."""
    made = (work.earlier[kind].get("arn") for kind in _MAKERS if kind in work.earlier)
    named = work.arguments.get("destination") or next((arn for arn in made if arn), None)
    arn = KeyArn.parse(str(named)) if named else work.arns[work.primary_region]
    return arn.in_region(work.region)


def _active(tenant_id: UUID) -> Any:
    return DataKey.objects.filter(
        tenant_id=tenant_id, purpose=Purpose.INDEX, state=DataKeyState.ACTIVE
    )


def _is_under(row: DataKey, key: KeyArn, material: str) -> bool:
    by_key = KeyArn.parse(row.key_arn).is_related_to(key)
    return by_key and bool(material) and row.key_material_id == material


def _rewrapped(work: Work, row: DataKey, destination: KeyArn) -> dict[str, Any]:
    """An encrypted data key: of no use to whoever may not decrypt with the tenant's key."""
    context = EncryptionContext(work.tenant, row.classification, Purpose.INDEX)
    made = rewrap(
        get_clients(),
        wrapped=bytes(row.encrypted_data_key),
        source=KeyArn.parse(row.key_arn).in_region(work.region),
        destination=destination,
        pairs=context.as_dict(),
    )
    return {
        "id": str(row.id),
        "encrypted_data_key": base64.b64encode(made.encrypted_data_key).decode("ascii"),
        "key_arn": str(made.key_arn),
        "key_material_id": made.key_material_id,
    }


def _put(tenant_id: UUID, each: dict[str, Any]) -> None:
    _active(tenant_id).filter(id=each["id"]).update(
        encrypted_data_key=base64.b64decode(each["encrypted_data_key"]),
        key_arn=each["key_arn"],
        key_material_id=each["key_material_id"],
    )
