"""GetParametersForImport, ImportKeyMaterial and DeleteImportedKeyMaterial, for keys of origin EXTERNAL.

Source: AWS KMS API Reference, the three operations. In new material a symmetric key may be rotated; any other import
brings material that the key had before. New material comes to the primary first, then the same to each replica.
"""

from __future__ import annotations

from dataclasses import replace

from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.conditions import Conditions
from sandbox.kms.errors import Refusal, invalid, invalid_state, unsupported
from sandbox.kms.importing import with_copies, without_copies
from sandbox.kms.keys import EXTERNAL, ImportedMaterial, KeySet, Material, RegionalKey
from sandbox.kms.lookup import find_by_id
from sandbox.kms.material import imported_id
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import IMPORTABLE, require_state
from sandbox.kms.wrapping import new_parameters, unwrapped

_DAY = 86_400
_LONGEST_DAYS = 365
_EXPIRES = "KEY_MATERIAL_EXPIRES"
_NEW, _EXISTING = "NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"


@operation("GetParametersForImport", read_only=True, slow=True)
def get_parameters_for_import(service: Service, call: Call) -> Answer:
    """A public key to wrap material with, and a token that must come with it: both for 24 hours."""
    wanted = call.parameters
    conditions = {
        "kms:wrappingalgorithm": (wanted["WrappingAlgorithm"],),
        "kms:wrappingkeyspec": (wanted["WrappingKeySpec"],),
    }
    key = _external(service, call, "kms:GetParametersForImport", conditions)
    require_state(key, IMPORTABLE, call.now)
    made = new_parameters(
        key.arn,
        wanted["WrappingAlgorithm"],
        wanted["WrappingKeySpec"],
        now=call.now,
        sealing_key=service.store.sealing_key,
    )
    return {
        "KeyId": key.arn,
        "ImportToken": made.token,
        "PublicKey": made.public_key,
        "ParametersValidTo": made.valid_to,
    }


@operation("ImportKeyMaterial")
def import_key_material(service: Service, call: Call) -> Answer:
    """Give this Region's key material: its first, one that it had, or one for the next rotation."""
    wanted = call.parameters
    expires_at = _expiration(call)
    conditions = {
        "kms:expirationmodel": (wanted.get("ExpirationModel", _EXPIRES),),
        **({"kms:validto": (str(int(expires_at)),)} if expires_at is not None else {}),
    }
    key = _external(service, call, "kms:ImportKeyMaterial", conditions)
    require_state(key, IMPORTABLE, call.now)
    secret = unwrapped(
        wanted["EncryptedKeyMaterial"],
        wanted["ImportToken"],
        key.arn,
        now=call.now,
        sealing_key=service.store.sealing_key,
    )
    key_set = service.store.key_set(key)
    if len(secret) not in key_set.spec.importable:
        raise _incorrect(f"The length of the key material does not suit {key_set.spec_name}.")
    material_id = imported_id(key.key_id, secret, sealing_key=service.store.sealing_key)
    if wanted.get("KeyMaterialId", material_id) != material_id:
        raise _incorrect("The key material is not that of the KeyMaterialId.")
    material = Material(id=material_id, secret=secret, created_at=call.now)
    key_set = _with_material(service, call, key, material)
    copy = ImportedMaterial(
        description=wanted.get("KeyMaterialDescription", ""), expires_at=expires_at
    )
    was_usable = key.usable_until is None or call.now < key.usable_until
    key = with_copies(key, key_set, {**key.imported, material_id: copy})
    service.store.put(key_set, key if was_usable else replace(key, enabled=True))
    call.material_id = material_id
    return {"KeyId": key.arn, "KeyMaterialId": material_id}


@operation("DeleteImportedKeyMaterial")
def delete_imported_key_material(service: Service, call: Call) -> Answer:
    """Take material from this Region's key, the current unless another is named. The key can be used no more."""
    key = _external(service, call, "kms:DeleteImportedKeyMaterial")
    key_set = service.store.key_set(key)
    current = key_set.current.id if key_set.materials else ""
    material_id = call.parameters.get("KeyMaterialId", current)
    known = {material.id for material in (*key_set.materials, *_pending(key_set))}
    if material_id and material_id not in known:
        raise invalid("The key has no key material of that id.")
    if material_id in key.imported:
        service.store.put(*without_copies(service.store, key, [material_id]))
    return {"KeyId": key.arn, "KeyMaterialId": material_id}


def _external(
    service: Service, call: Call, action: str, conditions: Conditions | None = None
) -> RegionalKey:
    key: RegionalKey = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, action, key, conditions)
    origin = service.store.key_set(key).origin
    if origin != EXTERNAL:
        message = f"{key.arn} origin is {origin} which is not valid for this operation."
        raise unsupported(message)
    return key


def _expiration(call: Call) -> float | None:
    """When the copy is to be deleted; None for never."""
    model = call.parameters.get("ExpirationModel", _EXPIRES)
    valid_to = call.parameters.get("ValidTo")
    if (model == _EXPIRES) != (valid_to is not None):
        raise invalid("ValidTo must be set exactly when the key material expires.")
    if valid_to is not None and not call.now < valid_to <= call.now + _LONGEST_DAYS * _DAY:
        raise invalid(f"ValidTo must lie in the next {_LONGEST_DAYS} days.")
    return None if valid_to is None else float(valid_to)


def _with_material(service: Service, call: Call, key: RegionalKey, material: Material) -> KeySet:
    """The key set once it knows the material; refuses material that this import may not bring."""
    key_set = service.store.key_set(key)
    known = [*key_set.materials, *_pending(key_set)]
    kind = call.parameters.get("ImportType", _EXISTING if key_set.materials else _NEW)
    if any(item.id == material.id for item in known):
        if kind == _NEW and key.imported.keys() & {material.id}:
            raise _incorrect("The key material was imported into this key before.")
        return _restored(key_set, material)
    if not key_set.materials:
        return replace(key_set, materials=(material,))
    if kind != _NEW or not key_set.spec.rotates:
        raise _incorrect("The key material is not that which was imported before.")
    if not service.store.is_primary(key):
        raise unsupported("New key material is imported into the primary key first.")
    if key_set.pending is not None:
        raise invalid_state(key.arn, "already pending rotation to other key material")
    return replace(key_set, pending=material)


def _restored(key_set: KeySet, material: Material) -> KeySet:
    """The secret again where it had been forgotten."""
    return replace(
        key_set,
        materials=tuple(
            replace(item, secret=material.secret) if item.id == material.id else item
            for item in key_set.materials
        ),
    )


def _pending(key_set: KeySet) -> tuple[Material, ...]:
    return (key_set.pending,) if key_set.pending else ()


def _incorrect(message: str) -> Refusal:
    return Refusal("IncorrectKeyMaterialException", message)
