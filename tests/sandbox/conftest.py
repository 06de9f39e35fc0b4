"""KMS for its tests: a stand-in whose keys change state at once, one where that takes its time, or AWS itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.kms_aws import on_aws
from tests.sandbox.kms_cast import Cast, standing_in
from tests.sandbox.kms_target import ON_AWS


@pytest.fixture(scope="session")
def kms_cast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in in which a replica is ready at once; on AWS, KMS."""
    if ON_AWS:
        with on_aws() as cast:
            yield cast
    else:
        with standing_in(tmp_path_factory.mktemp("kms"), transition_seconds=0) as cast:
            yield cast


@pytest.fixture(scope="session")
def slow_cast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in in which a replica stays in `Creating` until the test moves the clock."""
    with standing_in(tmp_path_factory.mktemp("slow-kms"), transition_seconds=600) as cast:
        yield cast
