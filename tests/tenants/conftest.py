"""Acme's caller and an empty collection, for tests that change nothing of the tenant itself.

Imports stand inside: pytest reads this file before the servers are up and Django is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tenants.selectors import Caller


@pytest.fixture
def acme() -> Caller:
    from tests.callers import caller_of, shared_acme

    return caller_of(shared_acme())


@pytest.fixture
def collection(acme: Caller) -> str:
    from tests.callers import people

    return people(acme)


@pytest.fixture(autouse=True)
def forget_positions() -> Iterator[None]:
    """Each test is a request of its own: what earlier ones wrote must not send its reads to the writer."""
    from tenants import consistency

    consistency.required.set(None)
    consistency.written.set(None)
    yield
    consistency.required.set(None)
