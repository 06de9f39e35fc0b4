"""What the store keeps, as JSON text and back."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict
from typing import Any

from sandbox.kms.accounts import AccessKey, Principal
from sandbox.kms.grants import Grant
from sandbox.kms.keys import Alias, ImportedMaterial, KeySet, Material, RegionalKey

Entity = KeySet | RegionalKey | Alias | Grant | Principal | AccessKey
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
        case Grant():
            return "grant", entity.id
        case Principal():
            return "principal", f"{entity.account}/{entity.kind}/{entity.name}"
        case AccessKey():
            return "access_key", entity.id


def dump(entity: Entity) -> str:
    """Its JSON text."""
    return json.dumps(asdict(entity), default=_base64)


def load(kind: str, text: str) -> Entity:
    """The entity of that kind from its JSON text."""
    plain: dict[str, Any] = json.loads(text)
    match kind:
        case "alias":
            return Alias(**plain)
        case "key":
            imported = plain.pop("imported", {}).items()
            return RegionalKey(
                **plain, imported={name: ImportedMaterial(**copy) for name, copy in imported}
            )
        case "grant":
            return Grant(**plain | {"operations": tuple(plain["operations"])})
        case "principal":
            return Principal(**plain)
        case "access_key":
            return AccessKey(**plain)
    return _key_set(plain)


def _key_set(plain: dict[str, Any]) -> KeySet:
    materials = tuple(_material(item) for item in plain.pop("materials"))
    pending = plain.pop("pending", None)
    return KeySet(**plain, materials=materials, pending=_material(pending) if pending else None)


def _material(plain: dict[str, Any]) -> Material:
    return Material(**plain | {"secret": b64decode(plain["secret"])})


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError
