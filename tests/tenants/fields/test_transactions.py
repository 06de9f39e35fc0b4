"""Nothing leaves the process inside of a transaction: keys are prepared before, or the transaction runs again.

That AWS is never called inside of one is checked in every test of the project; here queries for keys are, too.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction

from crypto.message import read_header
from tenants.fields import (
    KeyNotPrepared,
    atomic_with_keys,
    prefetch_decrypt,
    prepare,
    using_tenant,
)
from tenants.fields.generations import Generations, new_envelope
from tenants.fields.keys import FieldKeys, Plaintext, current_keys
from tenants.fields.transactions import in_transaction
from tenants.selectors.in_process import get_in_process_caller
from tests.callers import queries
from tests.cast import Cast
from tests.stack import Stack
from tests.tenants.fields.crm.models import Account, Person, Searchable
from tests.tenants.fields.rows import kms_calls


@contextmanager
def silent(stack: Stack, tenant: UUID) -> Iterator[None]:
    """Nobody asks for a key: not KMS, and not the tables that hold data keys and tenants."""
    with kms_calls(stack, tenant) as calls, queries() as sent:
        yield
    assert calls == []
    assert not [text for text in sent if "tenants_" in text or "app.tenant_id" in text]


def test_without_a_key_at_hand_a_transaction_refuses_to_fetch_one(
    account: Account, acme: UUID, stack: Stack
) -> None:
    with silent(stack, acme), transaction.atomic():
        with pytest.raises(KeyNotPrepared, match=r"prepare\(\)"):
            Person.objects.create(account=account, phone="1")
        with pytest.raises(KeyNotPrepared):
            prepare(acme)
    assert Person.objects.filter(account=account).count() == 0


def test_what_is_prepared_is_enough_to_write_search_and_read_back(
    account: Account, acme: UUID, stack: Stack
) -> None:
    prepare(acme, ["pii", "phi"], search=True)
    with silent(stack, acme), transaction.atomic(), using_tenant(acme):
        prepare(acme, ["pii", "phi"], search=True)  # only looks
        row = Person.objects.create(account=account, email="a@example.com", notes="n")
        row.email = "b@example.com"
        row.save()
        Person.objects.bulk_create(Person(account=account, phone=str(n)) for n in range(5))
        found, made = Person.objects.update_or_create(
            account=account, email="b@example.com", defaults={"phone": "2"}
        )
        assert not made
        Person.objects.filter(pk=found.pk).update(notes="m")
    assert Person.objects.get(pk=row.pk).notes == "m"


def test_what_is_written_under_a_new_data_key_is_read_back_inside(cast: Cast, stack: Stack) -> None:
    tenant = cast.onboard("acme", ("us-east-2", "eu-west-1"), "us-east-2", {}).id
    prepare(tenant, search=True)
    with silent(stack, tenant), transaction.atomic(), using_tenant(tenant):
        made = Searchable.objects.create(char="a")
        assert Searchable.objects.get(char="a").char == Searchable.objects.get(pk=made.pk).char


def test_rows_that_were_prefetched_are_read_inside(
    account: Account, acme: UUID, stack: Stack
) -> None:
    Person.objects.bulk_create(Person(account=account, phone=str(n)) for n in range(3))
    rows = Person.objects.filter(account=account).select_related("account").order_by("pk")
    current_keys().forget()
    with transaction.atomic(), pytest.raises(KeyNotPrepared):
        list(rows.decrypted())
    prefetch_decrypt(rows)
    with silent(stack, acme), transaction.atomic():
        assert [row.phone for row in rows.select_for_update(of=("self",))] == ["0", "1", "2"]


def test_a_row_is_locked_changed_and_saved_without_a_key_where_its_values_stay(
    account: Account, acme: UUID, stack: Stack
) -> None:
    made = Person.objects.create(account=account, name="a", phone="1")
    current_keys().forget()
    with silent(stack, acme), transaction.atomic():
        row = Person.objects.select_for_update().get(pk=made.pk)
        row.name = "b"
        row.save()
        row.refresh_from_db()
    assert Person.objects.get(pk=made.pk).phone == "1"


def test_a_transaction_with_keys_runs_again_until_it_has_them(
    account: Account, other_account: Account, stack: Stack
) -> None:
    made = Person.objects.create(account=other_account, phone="1")
    current_keys().forget()
    runs = []

    @atomic_with_keys()
    def work(text: str) -> str:
        runs.append(in_transaction())
        row = Person.objects.select_for_update().get(pk=made.pk)
        Person.objects.create(account=account, phone=row.phone, notes=text)
        return text

    assert work("x") == "x"
    assert len(runs) == 4  # opening for the one; sealing for the other, pii and phi; all done
    assert all(runs)
    assert Person.objects.filter(account=account).count() == 1
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        work("x")


def test_a_transaction_that_never_has_enough_ends(acme: UUID) -> None:
    runs = []

    @atomic_with_keys()
    def work() -> None:
        runs.append(1)
        raise KeyNotPrepared

    with pytest.raises(KeyNotPrepared, match="other keys each time"):
        work()
    assert len(runs) == 8


def test_what_a_rollback_undoes_takes_no_data_key_along(acme: UUID) -> None:
    """The data key was written down before, in a transaction of its own: what it sealed opens in any process."""
    classification = f"new-{secrets.token_hex(4)}"
    prepare(acme, [classification])
    with transaction.atomic():
        message = current_keys().seal(Plaintext(b"x"), acme, classification)
        transaction.set_rollback(True)
    current_keys().forget()
    assert current_keys().open(message, acme, classification) == b"x"
    again = current_keys().seal(Plaintext(b"x"), acme, classification)
    assert read_header(again).data_keys == read_header(message).data_keys


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> FieldKeys:
    """Keys of a process whose time the test moves; plaintext data keys live for 300 seconds."""
    envelopes = Generations(new_envelope, lambda: 300.0, clock)
    return FieldKeys(envelopes, get_in_process_caller, clock)


def test_a_prepared_key_is_held_for_half_of_the_time_that_keys_may_be_cached(
    acme: UUID, clock: Clock, keys: FieldKeys
) -> None:
    keys.prepare(acme, ["pii"])
    clock.now = 149.0
    keys.prepare(acme, ["pii"])  # held already: no later than the first
    for now in (151.0, 299.0):
        clock.now = now
        with transaction.atomic():
            keys.seal(Plaintext(b"x"), acme, "pii")
    clock.now = 301.0
    with transaction.atomic(), pytest.raises(KeyNotPrepared):
        keys.seal(Plaintext(b"x"), acme, "pii")


def test_a_key_prepared_late_in_a_generation_outlives_it(
    acme: UUID, clock: Clock, keys: FieldKeys
) -> None:
    keys.prepare(acme, ["phi"])
    clock.now = 140.0
    keys.prepare(acme, ["pii"])
    clock.now = 160.0
    keys.prepare(acme, ["secret"])  # a new generation begins
    clock.now = 289.0
    with transaction.atomic():
        keys.seal(Plaintext(b"x"), acme, "pii")
        keys.seal(Plaintext(b"x"), acme, "secret")


def test_no_plaintext_data_key_is_held_longer_than_it_may_be_cached(
    acme: UUID, clock: Clock, keys: FieldKeys, stack: Stack
) -> None:
    keys.prepare(acme, ["pii"])
    for now in range(0, 2_000, 10):
        clock.now = float(now)
        assert len(keys._envelopes.live()) <= 2
        assert all(clock.now - made < 300 for _, made in keys._envelopes._made)


def test_a_transaction_of_djangos_testcase_does_not_count() -> None:
    around_a_test: Any = transaction.atomic()
    around_a_test._from_testcase = True  # as `TestCase` marks it
    with around_a_test:
        assert not in_transaction()
        with transaction.atomic():
            assert in_transaction()


def test_a_transaction_managed_by_hand_counts() -> None:
    connection = connections["default"]
    connection.ensure_connection()
    assert not in_transaction()
    transaction.set_autocommit(False)
    try:
        assert in_transaction()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


def test_a_thread_that_waited_for_one_in_a_transaction_fetches_the_key_itself(
    account: Account, acme: UUID
) -> None:
    failed: list[Any] = []
    stop = threading.Event()

    def look() -> None:
        with transaction.atomic():
            while not stop.is_set():
                try:
                    current_keys().seal(Plaintext(b""), acme, "pii")
                except KeyNotPrepared:
                    pass
                except Exception as error:
                    failed.append(error)
        connections.close_all()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(20):
            current_keys().forget()
            Person.objects.create(account=account, phone="1")
    finally:
        stop.set()
        thread.join()
    assert failed == []
