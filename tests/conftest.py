"""One real data plane for the whole run: the first process starts it, migrates once, and stops it at the end.

Parallel workers of pytest-xdist find it through the environment that they inherit.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django import DjangoDbBlocker

from sandbox.layout import Home
from sandbox.processes import end_processes
from sandbox.supervision import stop_supervisord
from tests.stack import HOME, Stack

if TYPE_CHECKING:
    from tests.cast import Cast

STACK = pytest.StashKey[Stack]()


def pytest_configure(config: pytest.Config) -> None:
    """Before any test module is imported: servers, the environment, Django, and (once a run) the tables."""
    import django
    from django.core.management import call_command

    first = HOME not in os.environ
    stack = Stack.start() if first else Stack.inherited()
    config.stash[STACK] = stack
    os.environ.update(stack.pytest_environment())
    django.setup()
    if first:
        call_command("migrate", database="migrator", verbosity=0)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what this process started."""
    if STACK in config.stash:
        config.stash[STACK].stop()


# Files that let days pass in KMS, or have a key wait there for its deletion. The stand-in has one clock for the whole
# run, so they must not run side by side.
DAYS = frozenset(
    {
        *("test_ends", "test_ends_of_tiers", "test_offboarding", "test_revocation", "test_danger"),
        *("test_region_removal", "test_region_return", "test_region_tiers", "test_tenant_regions"),
        *("test_orphans", "test_key_moves", "test_key_move_load", "test_commands_regions"),
    }
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process a file, since tests of a file share what they make; and one for all that turn the clock of KMS."""
    for item in items:
        group = "days" if item.path.stem in DAYS else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Stack:
    """Where the servers are; `stack.env("worker", region)` is the environment of an extra process on them."""
    return request.config.stash[STACK]


@pytest.fixture
def home() -> Iterator[Home]:
    """The home of another sandbox, for a test that starts and kills servers: all of it ends and is deleted."""
    made = Home(Path(tempfile.mkdtemp(prefix="mrk-test-")))
    yield made
    stop_supervisord(made)
    end_processes(made)
    made.delete()


@pytest.fixture(scope="session", autouse=True)
def database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Real, committed transactions: every test makes tenants of its own, so nothing needs to be cleaned up."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session", autouse=True)
def no_network_call_inside_a_transaction() -> Iterator[None]:
    """Fails any test in which AWS is called while a database transaction is open."""
    from botocore.httpsession import URLLib3Session
    from django.db import connections

    send = URLLib3Session.send

    def guarded(self: URLLib3Session, request: Any) -> Any:
        held = [alias for alias in connections if connections[alias].in_atomic_block]
        assert not held, f"AWS was called inside a transaction on {held}"
        return send(self, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(URLLib3Session, "send", guarded)
        yield


@pytest.fixture
def cast() -> Cast:
    """Makes tenants: `cast.acme()`, `cast.globex()`, `cast.initech()`."""
    from tests.cast import Cast

    return Cast()
