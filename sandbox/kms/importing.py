"""Copies of imported material in each Region: what a key needs, has and lacks.

Source: AWS KMS Developer Guide, "Importing key material for AWS KMS keys". Each Region imports for itself, and a key
can be used only while it has all material that it was ever rotated to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sandbox.kms.keys import EXTERNAL, ImportedMaterial, KeySet, Material, RegionalKey
from sandbox.kms.records import Entity
from sandbox.kms.store import Store


def with_copies(
    key: RegionalKey, key_set: KeySet, copies: Mapping[str, ImportedMaterial]
) -> RegionalKey:
    """The key with these copies and no other."""
    return replace(key, imported=copies, usable_until=_usable_until(key_set, copies))


def _usable_until(key_set: KeySet, copies: Mapping[str, ImportedMaterial]) -> float | None:
    if key_set.origin != EXTERNAL:
        return None
    needed = [material.id for material in key_set.materials]
    if not needed or not copies.keys() >= set(needed):
        return 0.0
    dates = [date for name in needed if (date := copies[name].expires_at) is not None]
    return min(dates, default=None)


def without_expired(store: Store, key: RegionalKey, moment: float) -> list[Entity]:
    """What changes when the copies of this key that expire by then are deleted."""
    gone = [
        name
        for name, copy in key.imported.items()
        if copy.expires_at is not None and copy.expires_at <= moment
    ]
    return without_copies(store, key, gone)


def without_copies(store: Store, key: RegionalKey, gone: list[str]) -> list[Entity]:
    """What changes when copies of this key are deleted: the key, and the secrets that no Region holds any more.

    Pending material goes everywhere with the primary's copy, since it belongs to no key for good.
    """
    key_set = store.key_set(key)
    keys = dict(store.related(key))
    pending = key_set.pending
    if pending and pending.id in gone and store.is_primary(key):
        key_set = replace(key_set, pending=None)
        keys = {
            region: with_copies(item, key_set, _without(item, [pending.id]))
            for region, item in keys.items()
        }
    keys[key.region] = with_copies(keys[key.region], key_set, _without(keys[key.region], gone))
    held = {name for item in keys.values() for name in item.imported}
    forgotten = replace(
        key_set, materials=tuple(_forgotten(item, held) for item in key_set.materials)
    )
    return [
        forgotten,
        *(item for region, item in keys.items() if item != store.related(key)[region]),
    ]


def _without(key: RegionalKey, gone: list[str]) -> dict[str, ImportedMaterial]:
    return {name: copy for name, copy in key.imported.items() if name not in gone}


def _forgotten(material: Material, held: set[str]) -> Material:
    return material if material.id in held else replace(material, secret=b"")


def is_everywhere(store: Store, key_set: KeySet, material_id: str) -> bool:
    """Whether every Region with a related key has a copy."""
    related = store.related(store.primary_of(key_set)).values()
    return all(material_id in key.imported for key in related)
