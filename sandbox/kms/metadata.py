"""KeyMetadata: what DescribeKey, CreateKey and ReplicateKey show of a key."""

from __future__ import annotations

from typing import Any

from sandbox.kms.keys import ImportedMaterial, KeySet, KeyState, RegionalKey
from sandbox.kms.specs import ENCRYPT_DECRYPT, GENERATE_VERIFY_MAC
from sandbox.kms.store import Store

_ALGORITHMS = {ENCRYPT_DECRYPT: "EncryptionAlgorithms", GENERATE_VERIFY_MAC: "MacAlgorithms"}


def key_metadata(store: Store, key: RegionalKey, now: float) -> dict[str, Any]:
    """The KeyMetadata of that key at that time."""
    key_set = store.key_set(key)
    state = key.state(now)
    metadata: dict[str, Any] = {
        "AWSAccountId": key.account,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": key.created_at,
        "Enabled": state in (KeyState.ENABLED, KeyState.UPDATING),
        "Description": key.description,
        "KeyUsage": key_set.spec.usage,
        "KeyState": state.value,
        "Origin": key_set.origin,
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key_set.spec_name,
        "KeySpec": key_set.spec_name,
        _ALGORITHMS[key_set.spec.usage]: [key_set.spec.algorithm],
        "MultiRegion": key_set.multi_region,
        **_material(key, key_set),
    }
    if key_set.multi_region:
        metadata["MultiRegionConfiguration"] = _relatives(store, key)
    if key.deletion_at is not None:
        metadata["DeletionDate"] = key.deletion_at
    elif key.pending_days is not None:
        metadata["PendingDeletionWindowInDays"] = key.pending_days
    return metadata


def _material(key: RegionalKey, key_set: KeySet) -> dict[str, Any]:
    """Which material is current, and until when the Region has it if it was imported."""
    if not key_set.materials:
        return {}
    shown = {"CurrentKeyMaterialId": key_set.current.id} if key_set.spec.rotates else {}
    copy = key.imported.get(key_set.current.id)
    return shown | expiration(copy) if copy else shown


def expiration(copy: ImportedMaterial) -> dict[str, Any]:
    """Whether and when a copy of imported material expires."""
    if copy.expires_at is None:
        return {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    return {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": copy.expires_at}


def _relatives(store: Store, key: RegionalKey) -> dict[str, Any]:
    """The same view from every related key: which is the primary, which are the replicas, itself included."""
    primary_region = store.key_set(key).primary_region
    related = sorted(store.related(key).items())
    places = {region: {"Arn": item.arn, "Region": region} for region, item in related}
    return {
        "MultiRegionKeyType": "PRIMARY" if key.region == primary_region else "REPLICA",
        "PrimaryKey": places[primary_region],
        "ReplicaKeys": [place for region, place in places.items() if region != primary_region],
    }
