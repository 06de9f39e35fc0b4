"""KMS stand-ins for the tests of one: one whose keys change state at once, one where that takes its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.kms_cast import Cast, standing_in


@pytest.fixture(scope="session")
def kms_cast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in in which a replica is ready at once."""
    with standing_in(tmp_path_factory.mktemp("kms"), transition_seconds=0) as cast:
        yield cast


@pytest.fixture(scope="session")
def slow_cast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in in which a replica stays in `Creating` until the test moves the clock."""
    with standing_in(tmp_path_factory.mktemp("slow-kms"), transition_seconds=600) as cast:
        yield cast
