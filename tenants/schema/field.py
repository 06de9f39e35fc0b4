"""One field of a schema."""

from __future__ import annotations

from dataclasses import dataclass

from crypto.blind_index import normalise
from crypto.part import JsonValue
from tenants.schema.values import check_value


@dataclass(frozen=True, slots=True)
class Field:
    """A name, a type, and how the value is kept. `classification` is empty for a clear field, `mask` where none is
    set, and `max_length` (characters) 0 where the general limit does."""

    name: str
    type: str
    sealed: bool
    required: bool = False
    classification: str = ""
    searchable: bool = False
    unique: bool = False
    normaliser: str = "exact"
    mask: str = ""
    max_length: int = 0

    def check(self, value: JsonValue) -> None:
        """Raise `RuleBroken` where the value does not fit."""
        check_value(self.type, value, self.max_length)

    def search_text(self, value: JsonValue) -> str:
        """The normal form under which values of this field count as equal; empty where nothing is left of it."""
        return normalise(str(value), self.normaliser)

    def as_document(self) -> dict[str, JsonValue]:
        """The field as a schema document has it, without what is left at its default."""
        document: dict[str, JsonValue] = {
            "name": self.name,
            "type": self.type,
            "protection": "sealed" if self.sealed else "clear",
        }
        for key in ("required", "classification", "searchable", "unique", "mask", "max_length"):
            if value := getattr(self, key):
                document[key] = value
        if self.normaliser != "exact":
            document["normaliser"] = self.normaliser
        return document
