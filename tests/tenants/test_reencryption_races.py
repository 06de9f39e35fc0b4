"""Re-encryption meets writers, late ones too, and workers that die at any point."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test import override_settings

from tenants.errors import RecordNotFound
from tenants.models import Record, SealedPart
from tenants.scope import tenant_scope
from tenants.selectors import TenantView, get_progress
from tenants.selectors.key_usage import list_key_usage, parts_left
from tenants.services import resealing
from tenants.services.records import (
    Expectation,
    RecordFault,
    RecordInput,
    RecordView,
    create_records,
    delete_record,
    read_records,
    update_record,
)
from tenants.services.reencryption import start_reencryption
from tenants.services.resealing import Resealing
from tenants.services.rotation import rotate_key
from tenants.states import OperationKind, OperationState
from tests.callers import caller_of, people
from tests.cast import OPERATOR, Cast, as_region, let_time_pass, run_due, run_plan
from tests.tenants.chaos import Moment, killed_everywhere
from tests.tenants.people import opened, parts, person, rotate_in_kms, store
from tests.tenants.plans import Killed, step

EU, HOME = "eu-west-1", "us-east-2"
MOVED = OperationKind.REENCRYPT_RECORDS
PEOPLE, WRITERS = 300, 3


def test_whoever_writes_a_record_meanwhile_wins(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading and the writing of a batch one record is changed, one deleted, one replaced by its like."""
    globex = cast.globex()
    with as_region(EU):
        caller = caller_of(globex)
        collection = people(caller)
        store(caller, collection, range(5))
    rotate_key(tenant_id=globex.id, actor=OPERATOR, reencrypt=True)
    anew = Resealing._sealed_anew

    def meanwhile(self: Resealing, parts: Any) -> Any:
        made = anew(self, parts)
        with monkeypatch.context() as once:
            once.setattr(Resealing, "_sealed_anew", anew)
            later = caller_of(globex)
            if parts and not meddled:
                meddled.append(1)
                update_record(
                    caller=later,
                    collection=collection,
                    record_id="p1",
                    fields={"card": "new", "email": "new@x.org", "notes": {"n": "new"}},
                    expected=Expectation(version=1),
                )
                for gone in ("p2", "p3"):
                    delete_record(
                        caller=later,
                        collection=collection,
                        record_id=gone,
                        expected=Expectation(version=1),
                    )
                [made_again] = create_records(
                    caller=later, collection=collection, records=[person(3, card="again")]
                )
                assert isinstance(made_again, RecordView)
        return made

    meddled: list[int] = []
    monkeypatch.setattr(Resealing, "_sealed_anew", meanwhile)
    run_plan(globex)
    assert meddled
    with as_region(EU):
        later = caller_of(globex)
        views = {view.id: view for view in opened(later, collection, (0, 1, 3, 4))}
        assert views["p1"].fields["card"] == "new"
        assert views["p1"].version == 2
        assert views["p3"].fields["card"] == "again"
        [gone] = read_records(caller=later, collection=collection, record_ids=["p2"])
        assert isinstance(gone, RecordFault)
    assert parts_left(list_key_usage(globex.id)) == 0


def test_what_comes_under_an_old_data_key_behind_the_walk_is_moved_too(cast: Cast) -> None:
    """A process that has not seen the rotation yet may still store what it has sealed under the old data key."""
    globex = cast.globex()
    with as_region(EU):
        caller = caller_of(globex)
        collection = people(caller)
        store(caller, collection, range(3))
    old = next(iter(parts(globex).values()))
    rotate_key(tenant_id=globex.id, actor=OPERATOR, reencrypt=True)
    late = 0
    while not get_progress(globex.id).is_finished:
        walked = step(globex, MOVED)
        if walked.done and walked.state == OperationState.DUE and late < 2:
            _put_back(globex, old)
            late += 1
        if not run_due(globex):
            let_time_pass(globex)
    assert late == 2
    assert parts_left(list_key_usage(globex.id)) == 0


def test_what_comes_after_the_last_walk_is_moved_by_the_verification(cast: Cast) -> None:
    globex = cast.globex()
    with as_region(EU):
        caller = caller_of(globex)
        store(caller, people(caller), range(3))
    old = next(iter(parts(globex).values()))
    rotate_key(tenant_id=globex.id, actor=OPERATOR, reencrypt=True)
    while step(globex, MOVED).state != OperationState.DONE:
        if not run_due(globex):
            let_time_pass(globex)
    _put_back(globex, old)
    assert parts_left(list_key_usage(globex.id)) == 1
    run_plan(globex)
    assert parts_left(list_key_usage(globex.id)) == 0


def _put_back(tenant: TenantView, part: SealedPart) -> None:
    with tenant_scope(tenant.id, "write"):
        place = {"record": part.record, "classification": part.classification}
        row = SealedPart.objects.filter(tenant_id=tenant.id, **place)
        row.update(message=part.message, data_key=part.data_key)


def test_a_worker_may_be_killed_anywhere_and_nothing_is_left_and_nothing_lost(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    collections: dict[UUID, str] = {}
    monkeypatch.setattr("tenants.services.reencryption._CLAIM_SECONDS", 0.0)

    def begin() -> TenantView:
        globex = cast.globex()
        with as_region(EU):
            caller = caller_of(globex)
            collections[globex.id] = people(caller)
            store(caller, collections[globex.id], range(6))
        rotate_in_kms(globex)
        start_reencryption(tenant_id=globex.id, actor=OPERATOR)
        return globex

    def all_moved(tenant: TenantView) -> None:
        assert parts_left(list_key_usage(tenant.id)) == 0
        assert len(parts(tenant)) == 18
        with as_region(EU):
            views = opened(caller_of(tenant), collections[tenant.id], range(6))
        assert [view.fields["notes"] for view in views] == [{"n": n} for n in range(6)]
        assert {view.version for view in views} == {1}

    with override_settings(GATEWAY_REENCRYPTION_BATCH=4):
        points = killed_everywhere(begin, all_moved, sample=4)
    assert Moment.PART in {point.moment for point in points}


def test_a_worker_may_be_killed_between_any_two_statements_of_a_batch(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only where AWS is called: before and after the batch is written, and before it is read back."""
    for name in ("_write", "_check_written"):
        for after in (False, True):
            globex = cast.globex()
            with as_region(EU):
                caller = caller_of(globex)
                collection = people(caller)
                store(caller, collection, range(5))
            rotate_in_kms(globex)
            start_reencryption(tenant_id=globex.id, actor=OPERATOR)
            with monkeypatch.context() as patch:
                _kill(patch, resealing, name, after=after)
                with pytest.raises(Killed):
                    run_plan(globex)
            run_plan(globex)
            assert parts_left(list_key_usage(globex.id)) == 0
            with as_region(EU):
                assert len(opened(caller_of(globex), collection, range(5))) == 5


def _kill(patch: pytest.MonkeyPatch, module: Any, name: str, *, after: bool) -> None:
    original = getattr(module, name)

    def dying(*arguments: Any) -> Any:
        if after:
            original(*arguments)
        raise Killed

    patch.setattr(module, name, dying)


@dataclass
class Writer:
    """Creates, changes and deletes records of its own, and knows what was acknowledged: the card, or None."""

    tenant: TenantView
    collection: str
    number: int
    truth: dict[str, str | None]
    faults: list[BaseException] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        try:
            number = self.number
            while not stop.is_set():
                self._write(number)
                number += WRITERS
        except BaseException as error:
            self.faults.append(error)
        finally:
            connections.close_all()

    def _write(self, number: int) -> None:
        place: dict[str, Any] = {"caller": caller_of(self.tenant), "collection": self.collection}
        new, changed, gone = f"w{number}", f"p{number % PEOPLE}", f"p{(number + 150) % PEOPLE}"
        fields = {"name": "W", "card": new, "email": f"{new}@x.org"}
        create_records(**place, records=[RecordInput(new, fields)])
        self.truth[new] = new
        if self.truth[changed] is not None:
            card = f"changed {number}"
            update_record(**place, record_id=changed, fields={"card": card})
            self.truth[changed] = card
        if self.truth[gone] is not None and number % 5 == 0:
            delete_record(**place, record_id=gone)
            self.truth[gone] = None


def test_hundreds_of_records_move_under_concurrent_writes_and_none_is_lost(cast: Cast) -> None:
    """Three writers create, change and delete while a worker rotates and re-encrypts; then everything is read."""
    acme = cast.acme()
    with as_region(HOME):
        collection = people(caller_of(acme))
        store(caller_of(acme), collection, range(PEOPLE))
        truth: dict[str, str | None] = {f"p{number}": f"4111 {number}" for number in range(PEOPLE)}
        writers = [Writer(acme, collection, number, truth) for number in range(WRITERS)]
        with _at_work(writers):
            rotate_key(tenant_id=acme.id, actor=OPERATOR, reencrypt=True)
            with override_settings(GATEWAY_REENCRYPTION_BATCH=20):
                run_plan(acme, passes=200)
        assert not [fault for writer in writers for fault in writer.faults]
        assert _read_all(acme, collection, truth) == truth
    with tenant_scope(acme.id, "latest"):
        kept = Record.objects.filter(tenant_id=acme.id).count()
    assert kept == sum(card is not None for card in truth.values())
    assert parts_left(list_key_usage(acme.id)) == 0


@contextmanager
def _at_work(writers: list[Writer]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=writer.run, args=(stop,)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def _read_all(tenant: TenantView, collection: str, names: Iterable[str]) -> dict[str, Any]:
    """The card of each, None where there is no such record."""
    cards: dict[str, Any] = {}
    caller = caller_of(tenant)
    for ids in batched(sorted(names), 500):
        found = read_records(caller=caller, collection=collection, record_ids=ids)
        for name, one in zip(ids, found, strict=True):
            if isinstance(one, RecordFault):
                assert isinstance(one.error, RecordNotFound)
            cards[name] = one.fields["card"] if isinstance(one, RecordView) else None
    return cards


def batched(names: list[str], size: int) -> Iterator[list[str]]:
    """So many at a time."""
    for start in range(0, len(names), size):
        yield names[start : start + size]
