"""EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand and ListKeyRotations.

Rotation belongs to the primary key and is shared by all related keys. New material keeps the key id, and old
ciphertexts stay readable, since all old material stays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal, unsupported
from sandbox.kms.keys import RegionalKey
from sandbox.kms.lookup import find_by_id
from sandbox.kms.material import new_material
from sandbox.kms.pages import kms_page
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import MANAGEABLE, SETTLED, require_state

_DAY = 86_400
_MAX_ON_DEMAND = 25


@operation("EnableKeyRotation")
def enable_key_rotation(service: Service, call: Call) -> Answer:
    """Rotate every so many days (90 to 2560; a year unless said otherwise)."""
    days = call.parameters.get("RotationPeriodInDays", 365)
    return _set_rotation(service, call, "kms:EnableKeyRotation", days)


@operation("DisableKeyRotation")
def disable_key_rotation(service: Service, call: Call) -> Answer:
    """Rotate on demand only."""
    return _set_rotation(service, call, "kms:DisableKeyRotation", None)


@operation("GetKeyRotationStatus", read_only=True)
def get_key_rotation_status(service: Service, call: Call) -> Answer:
    """Whether and when the material rotates: the same in every Region."""
    key = find_by_id(service, call, call.parameters["KeyId"], foreign=True)
    authorize_key(service, call, "kms:GetKeyRotationStatus", key)
    require_state(key, MANAGEABLE, call.now)
    key_set = service.store.key_set(key)
    answer: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyRotationEnabled": key_set.rotation_days is not None,
    }
    if key_set.rotation_days is None:
        return answer
    return answer | {
        "RotationPeriodInDays": key_set.rotation_days,
        "NextRotationDate": key_set.current.created_at + key_set.rotation_days * _DAY,
    }


@operation("RotateKeyOnDemand")
def rotate_key_on_demand(service: Service, call: Call) -> Answer:
    """New material now, at once in every Region."""
    key = _rotatable(service, call, "kms:RotateKeyOnDemand")
    key_set = service.store.key_set(key)
    if sum(m.rotation == "ON_DEMAND" for m in key_set.materials) >= _MAX_ON_DEMAND:
        message = f"{key.arn} was rotated on demand {_MAX_ON_DEMAND} times already."
        raise Refusal("LimitExceededException", message)
    material = new_material(call.now, rotation="ON_DEMAND")
    service.store.put(replace(key_set, materials=(*key_set.materials, material)))
    return {"KeyId": key.arn}


@operation("ListKeyRotations", read_only=True)
def list_key_rotations(service: Service, call: Call) -> Answer:
    """Every rotation that was done; with IncludeKeyMaterial ALL_KEY_MATERIAL the first material too."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, "kms:ListKeyRotations", key)
    everything = call.parameters.get("IncludeKeyMaterial") == "ALL_KEY_MATERIAL"
    materials = service.store.key_set(key).materials
    rows: list[dict[str, Any]] = [
        {
            "KeyId": key.arn,
            "KeyMaterialId": material.id,
            "KeyMaterialState": "CURRENT" if material is materials[-1] else "NON_CURRENT",
            **(
                {"RotationDate": material.created_at, "RotationType": material.rotation}
                if number
                else {}
            ),
        }
        for number, material in enumerate(materials)
        if number or everything
    ]
    numbered = list(enumerate(rows))
    page, rest = kms_page(numbered, lambda row: f"{row[0]:08}", call.parameters, default=100)
    return {"Rotations": [row for _, row in page], **rest}


def _set_rotation(service: Service, call: Call, action: str, days: int | None) -> Answer:
    key = _rotatable(service, call, action)
    service.store.put(replace(service.store.key_set(key), rotation_days=days))
    return None


def _rotatable(service: Service, call: Call, action: str) -> RegionalKey:
    key = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, action, key)
    if not service.store.is_primary(key):
        raise unsupported(f"{key.arn} is not a multi-region primary key.")
    require_state(key, SETTLED, call.now)
    return key
