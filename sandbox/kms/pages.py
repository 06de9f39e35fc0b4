"""Pagination: one page of a sorted list, from a marker that says after which item the page begins."""

from __future__ import annotations

import binascii
from base64 import b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sandbox.kms.errors import Refusal, invalid

T = TypeVar("T")


def page_after(
    items: Sequence[T], name: Callable[[T], str], marker: str | None, limit: int
) -> tuple[list[T], str | None]:
    """Up to `limit` items after the marker, and the next marker; `items` are in the order of their names.

    A marker stays right when items come and go between two pages, since it holds a name and not a position.
    """
    start = bisect_right(items, _decoded(marker), key=name) if marker else 0
    page = list(items[start : start + limit])
    more = start + limit < len(items)
    return page, _encoded(name(page[-1])) if more and page else None


def kms_page(
    items: Sequence[T],
    name: Callable[[T], str],
    parameters: dict[str, Any],
    *,
    default: int,
    most: int,
) -> tuple[list[T], dict[str, Any]]:
    """A page by the Limit and Marker of a KMS request, and the members that every list answer has.

    `most` is the operation's own largest Limit (AWS KMS API Reference), below that of the model's type.
    """
    limit = parameters.get("Limit", default)
    if limit > most:
        raise invalid(f"Limit must be between 1 and {most}.")
    page, marker = page_after(items, name, parameters.get("Marker"), limit)
    return page, {"Truncated": True, "NextMarker": marker} if marker else {"Truncated": False}


def _encoded(name: str) -> str:
    return urlsafe_b64encode(name.encode()).decode()


def _decoded(marker: str) -> str:
    try:
        return b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refusal("InvalidMarkerException", "Invalid marker.") from None
