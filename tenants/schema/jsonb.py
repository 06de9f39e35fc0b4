"""Clear fields as PostgreSQL's jsonb keeps them, so that every number comes back as it went in.

jsonb holds decimal numbers without an exponent: 5.8e16 would come back as an integer, and beyond 2^53 as another one
than the float was. Written with a fraction (`58000000000000000.0`) it keeps it, and is read as the same float.
"""

from __future__ import annotations

from typing import Any

import orjson

from crypto.part import JsonValue

# From here on the shortest form of a float has an exponent (Python and orjson agree).
_EXPONENT_FROM = 1e16


def to_jsonb(fields: dict[str, JsonValue]) -> str:
    """The text to store."""
    return orjson.dumps({name: _written(value) for name, value in fields.items()}).decode()


def to_jsonb_value(value: JsonValue) -> str:
    """One value as text of JSON, to compare with what is stored."""
    return orjson.dumps(_written(value)).decode()


def from_jsonb(text: str) -> dict[str, JsonValue]:
    """The fields of a stored text. Raises `ValueError` where it is no object."""
    fields = orjson.loads(text)
    if not isinstance(fields, dict):
        raise ValueError("Clear fields are an object.")
    return fields


def _written(value: JsonValue) -> Any:
    if isinstance(value, float):
        # The digits are exact, so the nearest float to them is the value itself.
        return orjson.Fragment(f"{value:.1f}") if abs(value) >= _EXPONENT_FROM else value
    if isinstance(value, list):
        return [_written(item) for item in value]
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    return value
