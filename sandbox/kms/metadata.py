"""KeyMetadata: what DescribeKey, CreateKey and ReplicateKey show of a key."""

from __future__ import annotations

from typing import Any

from sandbox.kms.keys import KeyState, RegionalKey
from sandbox.kms.store import Store


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
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": state.value,
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": key_set.multi_region,
        "CurrentKeyMaterialId": key_set.current.id,
    }
    if key_set.multi_region:
        metadata["MultiRegionConfiguration"] = _relatives(store, key)
    if key.deletion_at is not None:
        metadata["DeletionDate"] = key.deletion_at
    elif key.pending_days is not None:
        metadata["PendingDeletionWindowInDays"] = key.pending_days
    return metadata


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
