"""As much of CBOR (RFC 8949) as Smithy RPC v2 needs: boto3 speaks it to the Resource Groups Tagging API.

Decoding takes definite and indefinite lengths; encoding writes definite ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

_BREAK = object()
_DEPTH = 32


class InvalidCbor(ValueError):
    """The bytes are not one CBOR item of the kinds that are known here."""


def dumps(value: Any) -> bytes:
    """The encoding of None, booleans, integers, floats, text, bytes, lists and dictionaries."""
    encode = _ENCODERS.get(type(value))
    if encode is None:
        raise TypeError(f"{type(value).__name__} has no CBOR form here")
    return encode(value)


def loads(data: bytes) -> Any:
    """The one item that `data` holds; raises `InvalidCbor`."""
    reader = _Reader(data)
    try:
        value = reader.item(0)
    except (IndexError, struct.error, UnicodeDecodeError, TypeError) as error:
        raise InvalidCbor("the item is cut short or damaged") from error
    if reader.position != len(data) or value is _BREAK:
        raise InvalidCbor("there is more than one item")
    return value


def _map(value: dict[Any, Any]) -> bytes:
    items = (dumps(part) for item in value.items() for part in item)
    return _head(5, len(value)) + b"".join(items)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | code]) + number.to_bytes(size, "big")
    raise TypeError("the integer is too large")


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _value: b"\xf6",
    bool: lambda value: b"\xf5" if value else b"\xf4",
    int: lambda value: _head(0, value) if value >= 0 else _head(1, -1 - value),
    float: lambda value: b"\xfb" + struct.pack(">d", value),
    bytes: lambda value: _head(2, len(value)) + value,
    str: lambda value: _head(3, len(value.encode())) + value.encode(),
    list: lambda value: _head(4, len(value)) + b"".join(map(dumps, value)),
    dict: _map,
}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def item(self, depth: int) -> Any:
        if depth > _DEPTH:
            raise InvalidCbor("the item is nested too deeply")
        initial = self._take(1)[0]
        major, code = initial >> 5, initial & 31
        if major == 7:
            return self._simple(code)
        number = self._number(code)
        if major in (0, 1):
            if number is None:
                raise InvalidCbor("an integer has a definite size")
            return number if major == 0 else -1 - number
        if major == 6:  # a tag, such as 1 for a time: its content says enough
            return self.item(depth + 1)
        return self._container(major, number, depth)

    def _container(self, major: int, length: int | None, depth: int) -> Any:
        if major in (2, 3):
            if length is None:
                chunks = self._until_break(depth)
                return (b"" if major == 2 else "").join(chunks)
            raw = self._take(length)
            return raw if major == 2 else raw.decode()
        if major == 4:
            if length is None:
                return self._until_break(depth)
            return [self.item(depth + 1) for _ in range(length)]
        if length is None:
            flat = self._until_break(depth)
            return dict(zip(flat[::2], flat[1::2], strict=True))
        return {self.item(depth + 1): self.item(depth + 1) for _ in range(length)}

    def _until_break(self, depth: int) -> list[Any]:
        found = []
        while (value := self.item(depth + 1)) is not _BREAK:
            found.append(value)
        return found

    def _simple(self, code: int) -> Any:
        if code in (25, 26, 27):
            size = 1 << (code - 24)
            return struct.unpack({2: ">e", 4: ">f", 8: ">d"}[size], self._take(size))[0]
        known = {20: False, 21: True, 22: None, 23: None, 31: _BREAK}
        if code not in known:
            raise InvalidCbor("a simple value is unknown")
        return known[code]

    def _number(self, code: int) -> int | None:
        if code < 24:
            return code
        if code == 31:
            return None
        if code > 27:
            raise InvalidCbor("a length is reserved")
        return int.from_bytes(self._take(1 << (code - 24)), "big")

    def _take(self, count: int) -> bytes:
        taken = self._data[self.position : self.position + count]
        if len(taken) != count:
            raise InvalidCbor("the item is cut short")
        self.position += count
        return taken
