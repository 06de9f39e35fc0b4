"""One real data plane for the whole run, and Django set up on it before any test module is imported."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

if "GATEWAY_REGION" not in os.environ:  # the first process of the run; parallel workers inherit what it found
    from tests import stack

    os.environ.update(stack.start())

import django  # noqa: E402

django.setup()

from tests.cast import Cast  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def database(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Real, committed transactions: every test makes tenants of its own, so nothing needs to be cleaned up."""
    from django.core.management import call_command

    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        call_command("migrate", database="migrator", verbosity=0)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_network_call_inside_a_transaction() -> Iterator[None]:
    """Fails any test in which AWS is called while a database transaction is open."""
    from botocore.httpsession import URLLib3Session
    from django.db import connections

    send = URLLib3Session.send

    def guarded(self: URLLib3Session, request: object) -> object:
        held = [alias for alias in connections if connections[alias].in_atomic_block]
        assert not held, f"AWS was called inside a transaction on {held}"
        return send(self, request)

    URLLib3Session.send = guarded
    yield
    URLLib3Session.send = send


@pytest.fixture
def cast() -> Cast:
    """Makes tenants: `cast.acme()`, `cast.globex()`, `cast.initech()`."""
    return Cast()
