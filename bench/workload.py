"""What is sealed: a record's part of so many fields of so many bytes, the same for every contender."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from crypto.part import Binding, JsonValue, encode_part

BINDING = Binding("customers", "018f3a52-7c1e-7a4b-9c2d-5e6f70819203", 3)
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Shape:
    """Number of fields and length of each, in bytes."""

    fields: int
    size: int

    def __str__(self) -> str:
        size = f"{self.size // 1024} KiB" if self.size >= 1024 else f"{self.size} B"
        return f"{self.fields} x {size}"


class Work(NamedTuple):
    """The fields of a part, and the bytes that the product makes of them."""

    fields: dict[str, JsonValue]
    texts: list[str]
    plaintext: bytes


class Calls(NamedTuple):
    """One seal and one open of the same work."""

    seal: Callable[[], object]
    open: Callable[[], object]


class Contender(Protocol):
    """One way to encrypt, with warm caches."""

    def prepare(self, work: Work) -> Calls:
        """The two calls to measure. Raises `AssertionError` where what was sealed does not open to the same."""


FIELDS = (1, 5, 10)
SIZES = (20, 1024, 65_536)
SHAPES = tuple(Shape(fields, size) for size in SIZES for fields in FIELDS)


def make_work(shape: Shape) -> Work:
    """Random letters, the same on every run."""
    letters = random.Random(shape.fields * 1_000_003 + shape.size)  # noqa: S311 - no secret
    texts = ["".join(letters.choices(_LETTERS, k=shape.size)) for _ in range(shape.fields)]
    fields: dict[str, JsonValue] = {f"field_{number}": text for number, text in enumerate(texts, 1)}
    return Work(fields, texts, encode_part(fields, BINDING))


def same(found: object, expected: object) -> None:
    """Refuse to time something that does not work."""
    if found != expected:
        raise AssertionError("What was sealed does not open to the same.")
