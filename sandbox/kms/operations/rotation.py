"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand and ListKeyRotations.

Rotation belongs to the primary key and is shared by all related keys. New material keeps the key id, and old
ciphertexts stay readable, since all old material stays. When a date has come, `settling` rotates.
"""

from __future__ import annotations

import math
from dataclasses import replace

from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.conditions import Conditions
from sandbox.kms.errors import Refusal, invalid_state, unsupported
from sandbox.kms.importing import is_everywhere, with_copies
from sandbox.kms.keys import AWS_KMS, KeySet, RegionalKey
from sandbox.kms.lookup import find_by_id
from sandbox.kms.material import new_material
from sandbox.kms.pages import kms_page
from sandbox.kms.registry import Answer, operation
from sandbox.kms.rotations import rotation_rows
from sandbox.kms.service import Service
from sandbox.kms.states import PENDING, SETTLED, require_state

_DAY = 86_400
_MAX_ON_DEMAND = 25
_SOON = 20 * 60  # seconds before an automatic rotation in which none is made on demand


@operation("EnableKeyRotation")
def enable_key_rotation(service: Service, call: Call) -> Answer:
    """Rotate every so many days (90 to 2560; a year unless said otherwise), counted from now."""
    days = call.parameters.get("RotationPeriodInDays", 365)
    conditions = {"kms:rotationperiodindays": (str(days),)}
    key = _rotatable(service, call, "kms:EnableKeyRotation", conditions, automatic=True)
    key_set = service.store.key_set(key)
    if key_set.rotation_days != days:
        _set_rotation(service, call, key, days, call.now + days * _DAY)
    return None


@operation("DisableKeyRotation")
def disable_key_rotation(service: Service, call: Call) -> Answer:
    """Rotate on demand only."""
    key = _rotatable(service, call, "kms:DisableKeyRotation", automatic=True)
    _set_rotation(service, call, key, None, None)
    return None


@operation("GetKeyRotationStatus", read_only=True)
def get_key_rotation_status(service: Service, call: Call) -> Answer:
    """Whether and when the material rotates: the same in every Region, and not while the key is pending deletion."""
    key = find_by_id(service, call, call.parameters["KeyId"], foreign=True)
    authorize_key(service, call, "kms:GetKeyRotationStatus", key)
    key_set = service.store.key_set(key)
    days = key_set.rotation_days
    if days is None or key.state(call.now) in PENDING:
        return {"KeyId": key.arn, "KeyRotationEnabled": False}
    return {
        "KeyId": key.arn,
        "KeyRotationEnabled": True,
        "RotationPeriodInDays": days,
        "NextRotationDate": key_set.next_rotation_at,
    }


@operation("RotateKeyOnDemand")
def rotate_key_on_demand(service: Service, call: Call) -> Answer:
    """New material now, at once in every Region: made here, or the one that was imported for it."""
    key = _rotatable(service, call, "kms:RotateKeyOnDemand")
    key_set = service.store.key_set(key)
    if sum(m.rotation == "ON_DEMAND" for m in key_set.materials) >= _MAX_ON_DEMAND:
        message = f"{key.arn} was rotated on demand {_MAX_ON_DEMAND} times already."
        raise Refusal("LimitExceededException", message)
    if (key_set.next_rotation_at or math.inf) <= call.now + _SOON:
        message = f"An automatic rotation of {key.arn} begins within the next 20 minutes."
        raise Refusal("ConflictException", message)
    if key_set.origin == AWS_KMS:
        material = new_material(call.now, rotation="ON_DEMAND")
    else:
        pending = key_set.pending
        if pending is None or not is_everywhere(service.store, key_set, pending.id):
            raise invalid_state(key.arn, "without key material that is pending rotation")
        material = replace(pending, created_at=call.now, rotation="ON_DEMAND")
    turned = replace(key_set, materials=(*key_set.materials, material), pending=None)
    related = service.store.related(key).values()
    service.store.put(turned, *(with_copies(item, turned, item.imported) for item in related))
    service.record("RotateKey", key, call.now)
    _record_synchronisation(service, call, key)
    return {"KeyId": key.arn}


@operation("ListKeyRotations", read_only=True)
def list_key_rotations(service: Service, call: Call) -> Answer:
    """Every rotation that was done; with IncludeKeyMaterial ALL_KEY_MATERIAL the first and a pending material too."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, "kms:ListKeyRotations", key)
    key_set = service.store.key_set(key)
    _require_rotating_spec(key_set, key)
    everything = call.parameters.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL"
    rows = rotation_rows(service.store, key, everything=everything)
    numbered = list(enumerate(rows))
    page, rest = kms_page(
        numbered, lambda row: f"{row[0]:08}", call.parameters, default=100, most=1000
    )
    return {"Rotations": [row for _, row in page], **rest}


def _set_rotation(
    service: Service, call: Call, key: RegionalKey, days: int | None, moment: float | None
) -> None:
    key_set = service.store.key_set(key)
    service.store.put(replace(key_set, rotation_days=days, next_rotation_at=moment))
    _record_synchronisation(service, call, key)


def _record_synchronisation(service: Service, call: Call, key: RegionalKey) -> None:
    if len(service.store.related(key)) > 1:
        service.record("SynchronizeMultiRegionKey", key, call.now)


def _rotatable(
    service: Service,
    call: Call,
    action: str,
    conditions: Conditions | None = None,
    *,
    automatic: bool = False,
) -> RegionalKey:
    """The key of the request, which must be an enabled primary of a kind that rotates."""
    key: RegionalKey = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, action, key, conditions)
    key_set = service.store.key_set(key)
    _require_rotating_spec(key_set, key)
    if automatic and key_set.origin != AWS_KMS:
        message = f"{key.arn} origin is {key_set.origin} which is not valid for this operation."
        raise unsupported(message)
    if not service.store.is_primary(key):
        raise unsupported(f"{key.arn} is not a multi-region primary key.")
    require_state(key, SETTLED, call.now)
    return key


def _require_rotating_spec(key_set: KeySet, key: RegionalKey) -> None:
    if not key_set.spec.rotates:
        message = (
            f"{key.arn} key spec is {key_set.spec_name} which is not valid for this operation."
        )
        raise unsupported(message)
