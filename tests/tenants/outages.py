"""A Region whose KMS answers nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from tests.stack import Stack


@contextmanager
def kms_down(region: str) -> Iterator[None]:
    """Connections to that Region's KMS are refused until the block ends."""
    _order(region, "down")
    try:
        yield
    finally:
        _order(region, "up")


def _order(region: str, mode: str) -> None:
    address = f"{Stack.inherited().kms_admin}/regions/{region}"
    httpx2.post(address, json={"mode": mode}).raise_for_status()
