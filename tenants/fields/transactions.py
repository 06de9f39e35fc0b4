"""Transactions: whether one is open here, and how work inside of one gets the keys that it needs.

Nothing leaves the process while a transaction of this thread is open: no call to KMS, and no query for keys. A call to
KMS may take seconds, in which every lock of the transaction would be held.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connections, transaction

from tenants.fields.errors import KeyNotPrepared

P = ParamSpec("P")
T = TypeVar("T")
_TRIES = 8


def in_transaction() -> bool:
    """Whether this thread has a transaction open on any connection.

    The transaction that Django's `TestCase` puts around a test does not count, as it does not for `durable=True`.
    """
    return any(
        any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
        or (connection.connection is not None and not connection.autocommit and not connection.atomic_blocks)
        for connection in connections.all(initialized_only=True)
    )  # fmt: skip


def refuse_in_transaction() -> None:
    """Raise `KeyNotPrepared` inside of a transaction."""
    if in_transaction():
        raise KeyNotPrepared


def atomic_with_keys(using: str | None = None) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A decorator: run the function in the outermost transaction, and again when a key was missing in it.

    The attempt is rolled back, the keys are fetched outside, and the function starts anew, up to eight times; it must
    not do what a rollback cannot undo. Raises `KeyNotPrepared` when that was not enough.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            for _ in range(_TRIES):
                try:
                    with transaction.atomic(using=using, durable=True):
                        return function(*args, **kwargs)
                except KeyNotPrepared as missing:
                    missing.fetch()
            raise KeyNotPrepared("The function needs other keys each time that it runs.")

        return run

    return decorate
