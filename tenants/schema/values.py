"""Whether a JSON value is of a field's type: the rules of each type, as sentences that never repeat the value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final

from crypto.part import JsonValue
from tenants.schema.limits import MAX_DEPTH, MAX_INTEGER, MAX_TEXT_BYTES, MIN_INTEGER

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
# RFC 3339, section 5.6. Python alone would also take week dates, and times that belong to no zone.
_DATETIME = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})\Z", re.ASCII
)
# The database compares times and knows no more; no place on Earth has more than 14 hours.
_MAX_OFFSET = timedelta(hours=16)


class RuleBroken(Exception):
    """The value does not fit. The text is the rule."""


def check_value(type_name: str, value: JsonValue, max_length: int = 0) -> None:
    """Raise `RuleBroken` where the value is not of this type; `max_length` counts characters, 0 means no limit."""
    TYPES[type_name](value)
    if max_length and isinstance(value, str) and len(value) > max_length:
        raise RuleBroken(f"must have at most {max_length} characters")


def _string(value: JsonValue) -> None:
    if not isinstance(value, str):
        raise RuleBroken("must be a string")
    _text(value)


def _text(value: str) -> None:
    if "\0" in value:
        raise RuleBroken("must not contain U+0000, which the database cannot store")
    try:
        size = len(value) if value.isascii() else len(value.encode())
    except UnicodeEncodeError:
        raise RuleBroken("must be valid Unicode, without half surrogate pairs") from None
    if size > MAX_TEXT_BYTES:
        raise RuleBroken(f"must have at most {MAX_TEXT_BYTES} bytes")


def _integer(value: JsonValue) -> None:
    # A bool is an int in Python, and not in JSON.
    if not isinstance(value, int) or isinstance(value, bool):
        raise RuleBroken("must be an integer")
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise RuleBroken("must fit into 64 bits")


def _number(value: JsonValue) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RuleBroken("must be finite")
    elif isinstance(value, int) and not isinstance(value, bool):
        _integer(value)
    else:
        raise RuleBroken("must be a number")


def _boolean(value: JsonValue) -> None:
    if not isinstance(value, bool):
        raise RuleBroken("must be true or false")


def _date(value: JsonValue) -> None:
    if not isinstance(value, str) or not _DATE.match(value):
        raise RuleBroken("must be a date: YYYY-MM-DD")
    try:
        date.fromisoformat(value)
    except ValueError:
        raise RuleBroken("must be a day of the calendar") from None


def _datetime(value: JsonValue) -> None:
    if not isinstance(value, str) or not _DATETIME.match(value):
        raise RuleBroken("must be a time with its offset: YYYY-MM-DDThh:mm:ssZ")
    try:
        offset = datetime.fromisoformat(value).utcoffset()
    except ValueError:
        raise RuleBroken("must be a time of the calendar and clock") from None
    if offset is None or abs(offset) >= _MAX_OFFSET:
        raise RuleBroken("must have an offset of less than 16 hours")


def _json(value: JsonValue) -> None:
    """Walk the value with a list of our own: a deep one must not exhaust the interpreter's stack."""
    pending: list[tuple[JsonValue, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, dict | list) and depth > MAX_DEPTH:
            raise RuleBroken(f"must be nested at most {MAX_DEPTH} deep")
        if isinstance(item, dict):
            for key in item:
                _string(key)
            pending += [(inner, depth + 1) for inner in item.values()]
        elif isinstance(item, list):
            pending += [(inner, depth + 1) for inner in item]
        elif isinstance(item, str):
            _text(item)
        elif item is not None and not isinstance(item, bool):
            _number(item)


TYPES: Final[dict[str, Callable[[JsonValue], None]]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "json": _json,
}
