"""Parameters checked against the API's own model, which ships with botocore: types, lengths, patterns, enumerations.

A checker is compiled once for each operation. It gives the parameters with blobs decoded, and without members that
the API does not have; or it refuses with all faults at once, in the words of AWS. No value is ever repeated.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from sandbox.kms.errors import Refusal, invalid

Faults = list[str]
Check = Callable[[Any, str, Faults], Any]


def compile_parameters(
    shape: StructureShape | None, *, needs: Sequence[str] = ()
) -> Callable[[Any], dict[str, Any]]:
    """The checker of an operation's input; `needs` are members that are required though the model does not say so."""
    check = _structure(shape, needs) if shape is not None else (lambda _value, _path, _faults: {})

    def parameters(given: Any) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise Refusal(
                "SerializationException", "Start of structure or map found where not expected."
            )
        faults: Faults = []
        checked: dict[str, Any] = check(given, "", faults)
        if faults:
            errors = "error" if len(faults) == 1 else "errors"
            raise invalid(f"{len(faults)} validation {errors} detected: {'; '.join(faults)}")
        return checked

    return parameters


def _check(shape: Shape) -> Check:
    return _COMPILERS.get(shape.type_name, _number)(shape)


def _structure(shape: StructureShape, needs: Sequence[str] = ()) -> Check:
    members = {name: _check(member) for name, member in shape.members.items()}
    required = (*shape.required_members, *needs)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, dict):
            raise _wrong_type(path)
        given = {name: item for name, item in value.items() if item is not None}
        for name in required:
            if name not in given:
                faults.append(_fault(_at(path, name), "Member must not be null"))
        return {
            name: members[name](item, _at(path, name), faults)
            for name, item in given.items()
            if name in members
        }

    return check


def _list(shape: ListShape) -> Check:
    member = _check(shape.member)
    bounds = _bounds(shape)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, list):
            raise _wrong_type(path)
        bounds(len(value), path, faults)
        return [member(item, f"{path}.{n}.member", faults) for n, item in enumerate(value, 1)]

    return check


def _map(shape: MapShape) -> Check:
    key_check, value_check = _check(shape.key), _check(shape.value)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, dict):
            raise _wrong_type(path)
        return {
            key_check(key, path, faults): value_check(item, path, faults)
            for key, item in value.items()
        }

    return check


def _string(shape: StringShape) -> Check:
    bounds = _bounds(shape)
    pattern = _compiled(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
    enum = frozenset(shape.enum)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, str):
            raise _wrong_type(path)
        bounds(len(value), path, faults)
        if pattern and not pattern.fullmatch(value):
            wanted = f"Member must satisfy regular expression pattern: {pattern.pattern}"
            faults.append(_fault(path, wanted))
        if enum and value not in enum:
            wanted = f"Member must satisfy enum value set: [{', '.join(sorted(enum))}]"
            faults.append(_fault(path, wanted))
        return value

    return check


# Classes of Unicode, which `re` does not have: letters, numbers and separators.
_CLASSES = {r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}


def _compiled(pattern: str) -> re.Pattern[str]:
    for named, known in _CLASSES.items():
        pattern = pattern.replace(named, known)
    return re.compile(pattern)


def _blob(shape: Shape) -> Check:
    bounds = _bounds(shape)

    def check(value: Any, path: str, faults: Faults) -> Any:
        if not isinstance(value, str):
            raise _wrong_type(path)
        try:
            decoded = b64decode(value, validate=True)
        except binascii.Error:
            raise Refusal("SerializationException", f"{path} is not base64") from None
        bounds(len(decoded), path, faults)
        return decoded

    return check


def _number(shape: Shape) -> Check:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")

    def check(value: Any, path: str, faults: Faults) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(path)
        if low is not None and value < low:
            faults.append(_fault(path, f"Member must have value greater than or equal to {low}"))
        if high is not None and value > high:
            faults.append(_fault(path, f"Member must have value less than or equal to {high}"))
        return value

    return check


def _typed(*types: type) -> Check:
    def check(value: Any, path: str, _faults: Faults) -> Any:
        if not isinstance(value, types):
            raise _wrong_type(path)
        return value

    return check


def _bounds(shape: Shape) -> Callable[[int, str, Faults], None]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")

    def check(length: int, path: str, faults: Faults) -> None:
        if length < low:
            wanted = f"Member must have length greater than or equal to {low}"
            faults.append(_fault(path, wanted))
        if high is not None and length > high:
            faults.append(_fault(path, f"Member must have length less than or equal to {high}"))

    return check


def _fault(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"


def _at(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _wrong_type(path: str) -> Refusal:
    return Refusal("SerializationException", f"The value at '{path}' has the wrong type.")


_COMPILERS: dict[str, Callable[[Any], Check]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "blob": _blob,
    "boolean": lambda _shape: _typed(bool),
    "timestamp": lambda _shape: _typed(int, float),
}
