"""A place for static files, and the log lines of a test."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def static_root() -> None:
    """The directory that `collectstatic` fills; WhiteNoise warns where there is none."""
    from django.conf import settings

    Path(settings.STATIC_ROOT).mkdir(exist_ok=True)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the processes' own formatter writes for every record that reaches the root logger."""
    from gateway.logs import formatter

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter())
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)
