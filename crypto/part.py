"""Plaintext of one sealed part: canonical JSON that says which record it belongs to.

`{"c": collection, "f": {field: value}, "r": record id, "v": version}`. The message authenticates these bytes, so a
part moved to another row, collection or version is found out on opening, though the data key is shared. What this
cannot find out is a whole old row put back with all its parts: its version is old as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from crypto.errors import DecryptionFailed

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


@dataclass(frozen=True, slots=True)
class Binding:
    """The place that a part belongs to: `version` is the record's version when this part was sealed."""

    collection: str
    record: str
    version: int


def encode_part(fields: Mapping[str, JsonValue], binding: Binding) -> bytes:
    """The bytes to seal: keys sorted, no spaces, UTF-8. Integers must fit into 64 bits."""
    return orjson.dumps(
        {"c": binding.collection, "f": dict(fields), "r": binding.record, "v": binding.version},
        option=orjson.OPT_SORT_KEYS,
    )


def decode_part(plaintext: bytes, binding: Binding) -> dict[str, JsonValue]:
    """The fields of an opened part, or `DecryptionFailed` where it is not the part of that very place."""
    try:
        part = orjson.loads(plaintext)
    except json.JSONDecodeError:
        raise DecryptionFailed from None
    fields = part.pop("f", None) if isinstance(part, dict) else None
    here = {"c": binding.collection, "r": binding.record, "v": binding.version}
    # True == 1 in Python: the type of the version is compared as well.
    if not isinstance(fields, dict) or part != here or type(part["v"]) is not int:
        raise DecryptionFailed
    return fields
