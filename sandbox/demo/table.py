"""A CSV file as a collection: which columns are sealed, under which classification, and the rows as records."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError

BATCH = 100

# The first rule that a column's name fits decides; a column that none fits stays clear.
_RULES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        r"e_?mail",
        {"classification": "pii", "searchable": True, "normaliser": "email", "mask": "email"},
    ),
    (
        r"phone|fax|mobile",
        {"classification": "pii", "searchable": True, "normaliser": "digits", "mask": "last4"},
    ),
    (
        r"card|iban|account_number",
        {"classification": "pci", "searchable": True, "normaliser": "digits", "mask": "last4"},
    ),
    (
        r"(first|last|full|sur)_?name|^name$",
        {"classification": "pii", "searchable": True, "normaliser": "casefold"},
    ),
    (r"birth|address|postal|passport|ssn", {"classification": "pii", "mask": "redact"}),
    (r"diagnos|blood|allerg", {"classification": "phi", "mask": "redact"}),
)


@dataclass(frozen=True, slots=True)
class Table:
    """A parsed CSV: the name of its collection, its schema, and its rows in order."""

    collection: str
    schema: dict[str, Any]
    id_column: str
    rows: list[dict[str, str]]

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Records as the API takes them, a hundred at a time; an empty cell is an absent field."""
        types = {field["name"]: _READ[field["type"]] for field in self.schema["fields"]}
        for start in range(0, len(self.rows), BATCH):
            yield [
                {
                    "id": row[self.id_column],
                    "fields": {name: read(row[name]) for name, read in types.items() if row[name]},
                }
                for row in self.rows[start : start + BATCH]
            ]

    def sealed(self) -> dict[str, dict[str, Any]]:
        """The sealed fields by name."""
        return {
            field["name"]: field
            for field in self.schema["fields"]
            if field["protection"] == "sealed"
        }


def read_table(path: Path) -> Table:
    """Read a UTF-8 CSV whose first line names the columns and whose first column is a unique id."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SandboxError(
            f"{path} is not a CSV file in UTF-8 that can be read: {error}"
        ) from error
    columns = list(reader.fieldnames or ())
    if len(columns) < 2 or not rows or any(None in row or None in row.values() for row in rows):
        raise SandboxError(
            f"{path}: expected a line of column names and rows with as many cells each."
        )
    ids = [row[columns[0]] for row in rows]
    if len(set(ids)) != len(ids) or not all(ids):
        raise SandboxError(f"{path}: the first column, {columns[0]}, must be a unique id.")
    names = {column: _field_name(column) for column in columns}
    if len(set(names.values())) != len(names):
        raise SandboxError(f"{path}: two columns have the same name.")
    rows = [{names[column]: cell.strip() for column, cell in row.items()} for row in rows]
    fields = [_field(names[column], rows) for column in columns[1:]]
    return Table(_field_name(path.stem), {"fields": fields}, names[columns[0]], rows)


def _field_name(column: str) -> str:
    """`PostalCode` and `Postal code` -> `postal_code`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.strip())
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    if not name:
        raise SandboxError(f"{column!r} is no name for a column or a collection.")
    return name if name[0].isalpha() else f"f_{name}"


def _field(name: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    cells = [row[name] for row in rows if row[name]]
    for pattern, rule in _RULES:
        if re.search(pattern, name):
            return {"name": name, "type": "string", "protection": "sealed", **rule}
    return {"name": name, "type": _type(cells), "protection": "clear"}


def _type(cells: list[str]) -> str:
    """The narrowest type that gives every cell back unchanged."""
    for kind in ("integer", "number"):
        if cells and all(_keeps(_READ[kind], cell) for cell in cells):
            return kind
    return "string"


def _keeps(read: Callable[[str], object], cell: str) -> bool:
    try:
        return str(read(cell)) == cell
    except ValueError:
        return False


_READ: dict[str, Callable[[str], Any]] = {"string": str, "integer": int, "number": float}
