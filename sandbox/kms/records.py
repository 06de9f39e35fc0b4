"""Keys and aliases as JSON text and back: the form in which the store keeps them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import fields
from typing import Any

from sandbox.kms.keys import Alias, KeySet, Material, RegionalKey

Entity = KeySet | RegionalKey | Alias
Name = tuple[str, str]  # kind, and what is unique within it


def name_of(entity: Entity) -> Name:
    """Under which name the store keeps it."""
    match entity:
        case KeySet():
            return "key_set", entity.key_id
        case RegionalKey():
            return "key", f"{entity.region}/{entity.key_id}"
        case Alias():
            return "alias", f"{entity.region}/{entity.account}/{entity.name}"


def dump(entity: Entity) -> str:
    """Its JSON text."""
    plain = {item.name: getattr(entity, item.name) for item in fields(entity)}
    if isinstance(entity, RegionalKey):
        plain["tags"] = dict(entity.tags)
    if isinstance(entity, KeySet):
        plain["materials"] = [_dump_material(material) for material in entity.materials]
    return json.dumps(plain)


def load(kind: str, text: str) -> Entity:
    """The entity of that kind from its JSON text."""
    plain: dict[str, Any] = json.loads(text)
    if kind == "alias":
        return Alias(**plain)
    if kind == "key":
        return RegionalKey(**plain)
    return KeySet(**plain | {"materials": tuple(_load_material(m) for m in plain["materials"])})


def _dump_material(material: Material) -> dict[str, Any]:
    plain = {item.name: getattr(material, item.name) for item in fields(material)}
    return plain | {"secret": b64encode(material.secret).decode()}


def _load_material(plain: dict[str, Any]) -> Material:
    return Material(**plain | {"secret": b64decode(plain["secret"])})
