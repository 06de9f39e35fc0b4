"""The steps of a move when something goes wrong: lost answers, a writer that does not arrive, writes that are gone,
canaries that do not come back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from crypto.errors import KeyUnavailable
from tenants.errors import (
    WriterMoved,
    WriterMoveRefused,
    WriterMoveUnfinished,
    WriterMoveUnreachable,
)
from tenants.models import WriterCanary, WriterMove
from tenants.rds.global_cluster import Endpoint, GlobalDatabase, Member
from tenants.scope import fleet_scope, tenant_scope
from tenants.services import failover
from tenants.services.failover import (
    Kind,
    Move,
    Outcome,
    Wanted,
    acting,
    loss,
    procedure,
    proof,
    readers,
)
from tenants.services.failover.fleet import KeyHere
from tenants.services.failover.journal import Journal
from tenants.services.failover.readers import Reading
from tests.cast import Cast
from tests.stack import REGIONS, Stack
from tests.tenants.test_failover import HERE, key_of, shell_in

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def member(region: str, writer: str) -> Member:
    return Member(region, f"arn:aws:rds:{region}:111122223333:cluster:x", region == writer, True)


def database(writer: str, status: str = "available") -> GlobalDatabase:
    return GlobalDatabase(status, tuple(member(region, writer) for region in REGIONS))


class Rds:
    """Answers with these states in turn, the last again and again; its orders are lost or refused."""

    def __init__(self, *states: GlobalDatabase, order: Exception | None = None) -> None:
        self.states, self.order, self.orders = list(states), order, list[str]()

    def describe(self, _: str) -> GlobalDatabase:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def reader_of(self, _: Member) -> Endpoint:
        return Endpoint("127.0.0.1", 9)

    def switch_over(self, target: Member, *, writer: str) -> None:
        self._take(f"switchover {writer} {target.region}")

    def fail_over(self, target: Member) -> None:
        self._take(f"failover {target.region}")

    def _take(self, order: str) -> None:
        self.orders.append(order)
        if self.order:
            raise self.order


def a_move(kind: Kind = Kind.FAILOVER, **changed: Any) -> Move:
    wanted = Wanted(kind=kind, target=HERE, operator="test", patience=0.3)
    move = Move(wanted, Journal(lambda _: None), NOW, source="us-east-2")
    move.cluster = database("us-east-2")
    for name, value in changed.items():
        setattr(move, name, value)
    return move


def a_reading(**changed: Any) -> Reading:
    given: dict[str, Any] = {
        "is_writer": False, "beat_at": NOW, "now": NOW, "epoch": 1, "region": HERE,
        "last_commit_at": None, "position": 100,
    }  # fmt: skip
    return Reading(**given | changed)


def codes(move: Move) -> set[str]:
    return {finding.code for finding in move.journal.findings}


def test_each_kind_is_ordered_where_its_region_lives() -> None:
    rds: Any = Rds(database("us-east-2"))
    acting.ask_rds(a_move(Kind.FAILOVER), rds)
    acting.ask_rds(a_move(Kind.SWITCHOVER), rds)
    assert rds.orders == [f"failover {HERE}", f"switchover us-east-2 {HERE}"]


@pytest.mark.parametrize("state", [database("us-east-2", "failing-over"), database(HERE)])
def test_an_order_whose_answer_is_lost_but_that_was_heard_goes_on(state: GlobalDatabase) -> None:
    rds: Any = Rds(state, order=WriterMoveUnreachable("lost"))
    acting.ask_rds(a_move(), rds)


def test_an_order_that_was_not_heard_or_is_refused_ends_it() -> None:
    lost: Any = Rds(database("us-east-2"), order=WriterMoveUnreachable("lost"))
    with pytest.raises(WriterMoveUnreachable):
        acting.ask_rds(a_move(), lost)
    refusing: Any = Rds(database("us-east-2"), order=WriterMoveRefused("no"))
    with pytest.raises(WriterMoveRefused):
        acting.ask_rds(a_move(), refusing)


@pytest.mark.parametrize("found", [None, a_reading(is_writer=True, region="us-east-2")])
def test_a_writer_that_does_not_arrive_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, found: Reading | None
) -> None:
    monkeypatch.setattr(readers, "find_writer", lambda _: found)
    with pytest.raises(WriterMoveUnfinished):
        acting.await_writer(a_move())


def test_the_first_write_is_tried_until_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def begin(*, region: str) -> int:
        tries.append(region)
        if len(tries) < 3:
            raise WriterMoved("not yet")
        return 7

    monkeypatch.setattr(acting, "begin_writer_epoch", begin)
    move = a_move()
    acting.begin_epoch(move)
    assert (move.epoch, tries) == (7, [HERE] * 3)


def test_rds_that_ends_with_another_writer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "_RDS_PAUSE", 0.01)
    rds: Any = Rds(database("us-east-2", "failing-over"), database("us-east-2"))
    with pytest.raises(WriterMoveRefused, match="not in eu-west-1"):
        acting.await_cluster(a_move(), rds)


def test_who_does_not_follow_yet_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Member("us-west-1", "arn:aws:rds:us-west-1:1:cluster:x", False, False)
    rds: Any = Rds(GlobalDatabase("available", (member(HERE, HERE), away)))
    move = a_move()
    acting.await_cluster(move, rds)
    [finding] = move.journal.findings
    assert (finding.code, finding.names) == ("region_not_connected", ("us-west-1",))


def measured(monkeypatch: pytest.MonkeyPatch, now: Reading | None, **given: Any) -> Move:
    monkeypatch.setattr(readers, "find_writer", lambda _: now)
    move = a_move()
    loss.measure(move, **{"mark": None, "had": a_reading(), "fenced_at": NOW} | given)
    return move


def test_a_mark_that_is_there_says_that_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    move = measured(monkeypatch, a_reading(beat_at=NOW), mark=NOW)
    assert move.loss["mark_is_there"]
    assert move.loss["lost_at_most_milliseconds"] == 0
    assert codes(move) == set()


def test_a_mark_that_is_gone_is_told_with_what_may_be_gone_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = NOW - timedelta(seconds=3)
    move = measured(
        monkeypatch,
        a_reading(beat_at=before),
        mark=NOW,
        had=a_reading(beat_at=before, last_commit_at=NOW - timedelta(seconds=1.5)),
        fenced_at=NOW,
    )
    assert not move.loss["mark_is_there"]
    assert move.loss["lost_at_most_milliseconds"] == 1500
    assert codes(move) == {"mark_lost", "writes_may_be_lost"}


def test_of_a_target_that_could_not_be_asked_nothing_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert measured(monkeypatch, None, had=None).loss["lost_at_most_milliseconds"] is None


@pytest.fixture
def key(stack: Stack, cast: Cast) -> Iterator[KeyHere]:
    with shell_in(stack, HERE):
        yield key_of(cast.acme())


def proving(key: KeyHere) -> Move:
    move = a_move(readings={HERE: a_reading(), "us-west-1": a_reading(), "us-east-2": None})
    move.fleet.sample.append(key)
    return move


def test_canaries_are_stored_once_a_tenant_and_read_back(key: KeyHere) -> None:
    for _ in range(2):
        move = proving(key)
        assert proof.prove_here(move).keys() == {key.tenant_id}
        assert move.proof == {"written": 1, "read_here": 1}
    with tenant_scope(key.tenant_id, "latest"):
        row = WriterCanary.objects.get()
    assert (row.region, row.move) == (HERE, move.id)
    assert codes(move) == set()


def test_what_cannot_be_sealed_or_opened_is_told_and_stops_nothing(
    key: KeyHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = proving(key)
    monkeypatch.setattr(proof, "_open", raising)
    proof.prove_here(move)
    assert codes(move) == {"canary_not_read"}
    monkeypatch.setattr(proof, "seal_here", raising)
    move = proving(key)
    assert proof.prove_here(move) == {}
    assert codes(move) == {"canary_not_written"}
    proof.rehearse(move)
    assert move.proof == {"sealed": 0}


def raising(*_: object) -> Any:
    raise KeyUnavailable("away")


def test_a_region_that_does_not_show_them_is_named_and_a_lost_one_is_not_asked(
    key: KeyHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "PATIENCE", 0.2)
    rds: Any = Rds(database(HERE))
    move = proving(key)
    written = proof.prove_here(move)
    proof.prove_elsewhere(move, rds, written)  # nobody listens there
    assert move.proof == {"written": 1, "read_here": 1, "read_in_us-west-1": 0}
    [finding] = move.journal.findings
    assert (finding.code, finding.names) == ("canary_not_replicated", (key.slug,))


def test_another_regions_reader_shows_what_was_written(stack: Stack, key: KeyHere) -> None:
    written = proof.prove_here(proving(key))
    endpoint = Endpoint("127.0.0.1", stack.ports.postgres("us-west-1"))
    for _ in range(100):
        shown = readers.read_canaries(endpoint, [key.tenant_id, key_of_nobody()])
        if shown:
            break
    assert shown == dict(written)
    with pytest.raises(psycopg.Error):
        readers.read_canaries(Endpoint("127.0.0.1", 9), [key.tenant_id])


def key_of_nobody() -> Any:
    return WriterMove().id


def carried_out(monkeypatch: pytest.MonkeyPatch, error: Exception | None, code: str = "") -> Any:
    """The report of a move whose steps do this."""
    move = a_move()

    def steps(move: Move, _: object) -> None:
        if error:
            raise error
        move.outcome = Outcome.DONE

    monkeypatch.setattr(procedure, "_carry_out", steps)
    monkeypatch.setattr(procedure, "get_global_cluster", lambda: None)
    report = failover.carry_out(move=move)
    assert codes(move) == ({code} if code else set())
    with fleet_scope("latest"):
        row = WriterMove.objects.get(id=move.id)
    assert row.report == report
    return row


def test_the_report_is_kept_whatever_came_of_it(
    key: KeyHere, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert carried_out(monkeypatch, None).outcome == "done"
    error = WriterMoveUnfinished("not there")
    assert carried_out(monkeypatch, error, "writer_move_unfinished").outcome == "failed"
    assert carried_out(monkeypatch, ZeroDivisionError("odd"), "unexpected").outcome == "failed"
