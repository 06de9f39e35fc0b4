"""Rows of ListKeyRotations: each material of a key, and for imported ones whether this Region has it."""

from __future__ import annotations

from typing import Any

from sandbox.kms.importing import is_everywhere
from sandbox.kms.keys import EXTERNAL, KeySet, Material, RegionalKey
from sandbox.kms.metadata import expiration
from sandbox.kms.store import Store


def rotation_rows(store: Store, key: RegionalKey, *, everything: bool) -> list[dict[str, Any]]:
    """The completed rotations, oldest first; with `everything` also the first material and a pending one."""
    key_set = store.key_set(key)
    rows = [
        _row(
            key,
            key_set,
            material,
            "CURRENT" if material is key_set.materials[-1] else "NON_CURRENT",
        )
        for material in key_set.materials
        if material.rotation or everything
    ]
    if everything and key_set.pending:
        complete = is_everywhere(store, key_set, key_set.pending.id)
        state = "PENDING_ROTATION" if complete else "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
        rows.append(_row(key, key_set, key_set.pending, state))
    return rows


def _row(key: RegionalKey, key_set: KeySet, material: Material, state: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyMaterialId": material.id,
        "KeyMaterialState": state,
    }
    if material.rotation:
        row |= {"RotationDate": material.created_at, "RotationType": material.rotation}
    return row | _copy(key, material) if key_set.origin == EXTERNAL else row


def _copy(key: RegionalKey, material: Material) -> dict[str, Any]:
    copy = key.imported.get(material.id)
    if copy is None:
        return {"ImportState": "PENDING_IMPORT"}
    described = {"KeyMaterialDescription": copy.description} if copy.description else {}
    return {"ImportState": "IMPORTED", **described, **expiration(copy)}
