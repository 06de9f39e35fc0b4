"""Switchover and failover, step by step. It runs in the target Region and needs nothing of the Region that is lost:
neither its database nor its KMS, its RDS or any broker.

    assess: 1 RDS  2 databases  3 keys in the tables  4 keys in KMS                         nothing is changed
    carry out: 5 mark  6 order  7 wait for the writer  8 epoch  9 prove here  10 RDS done  11 prove elsewhere  12 loss

A rehearsal goes through the first part, seals and opens canaries, and names the other steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings

from tenants.errors import WriterMoveRefused
from tenants.rds.global_cluster import GlobalCluster
from tenants.services.failover import acting, loss, proof, report
from tenants.services.failover.databases import get_global_cluster, see_cluster, see_readers
from tenants.services.failover.fleet import look_at_tables
from tenants.services.failover.journal import Journal, Severity, Step
from tenants.services.failover.keys import ask_kms
from tenants.services.failover.moves import Kind, Move, Outcome, Wanted
from tenants.services.failover.quotas import check_quota

# A failover is urgent: what KMS has not answered by then is left out, and said.
_KMS_SECONDS: Final = {Kind.FAILOVER: 5.0, Kind.SWITCHOVER: 300.0}


def assess(*, wanted: Wanted, show: Callable[[Step], None]) -> Move:
    """Look at everything that speaks for and against the move.

    Raises `WriterMoveRefused` where it makes no sense at all, `WriterMoveUnreachable` where RDS there is away."""
    if wanted.target != settings.GATEWAY_REGION:
        raise WriterMoveRefused(
            f"This process is in {settings.GATEWAY_REGION}. Run it in {wanted.target}: only there can be proven"
            " what that Region may do, and only that Region must be alive."
        )
    move, rds = Move(wanted, Journal(show), datetime.now(UTC)), get_global_cluster()
    with move.journal.step("see the global cluster"):
        see_cluster(move, rds)
    with move.journal.step("see the databases"):
        see_readers(move, rds)
    with move.journal.step("look at the tenants' keys in the tables"):
        move.fleet = look_at_tables(move.journal, wanted.target, sample=wanted.sample)
    with move.journal.step("try the tenants' keys in KMS"):
        patience = 3600.0 if wanted.sample is None else _KMS_SECONDS[wanted.kind]
        move.keys_tried = ask_kms(move.journal, move.fleet.sample, seconds=patience)
        check_quota(move.journal, wanted.target)
    return move


def is_admissible(move: Move) -> bool:
    """Whether nothing stands against it, or it is forced."""
    return not move.journal.blockers or move.wanted.force


def rehearse(*, move: Move) -> dict[str, Any]:
    """The report of what would be done. Changes nothing."""
    with move.journal.step("seal and open canaries"):
        proof.rehearse(move)
    for name in _CHANGES:
        move.journal.skip(name)
    move.loss = loss.expect(move)
    move.outcome = Outcome.READY if is_admissible(move) else Outcome.REFUSED
    return _end(move)


def refuse(*, move: Move) -> dict[str, Any]:
    """The report of a move that was not made."""
    move.outcome = Outcome.REFUSED
    return _end(move)


def carry_out(*, move: Move) -> dict[str, Any]:
    """Move the writer, and return the signed report, whatever comes of it.

    Raises nothing of what can go wrong on the way: it is in the report, whose outcome is then `failed`.
    """
    if not is_admissible(move):
        return refuse(move=move)
    try:
        _carry_out(move, get_global_cluster())
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        move.journal.find(Severity.BLOCKER, getattr(error, "code", "unexpected"), text)
        move.outcome = Outcome.FAILED
    return _end(move)


_CHANGES: Final = (
    "leave a mark on the old writer",
    "tell RDS",
    "wait until the target takes writes",
    "begin the writer's epoch",
    "write and read canaries on the new writer",
    "wait until RDS has finished",
    "read the canaries in the other Regions",
    "measure what was lost",
)


def _carry_out(move: Move, rds: GlobalCluster) -> None:
    names, began = iter(_CHANGES), time.monotonic()
    step = move.journal.step
    with step(next(names)):
        mark, had = loss.leave_mark(move), loss.last_of_target(move)
    with step(next(names)):
        acting.ask_rds(move, rds)
        fenced_at = datetime.now(UTC)
    with step(next(names)):
        acting.await_writer(move)
    with step(next(names)):
        acting.begin_epoch(move)
    move.recovery["writes_accepted"] = _since(began)
    with step(next(names)):
        written = proof.prove_here(move)
    move.recovery["proven_here"] = _since(began)
    with step(next(names)):
        acting.await_cluster(move, rds)
    with step(next(names)):
        proof.prove_elsewhere(move, rds, written)
    move.recovery["proven_everywhere"] = _since(began)
    with step(next(names)):
        loss.measure(move, mark=mark, had=had, fenced_at=fenced_at)
    warned = {finding.code for finding in move.journal.findings}
    move.outcome = Outcome.UNPROVEN if warned & _UNPROVEN else Outcome.DONE


_UNPROVEN: Final = {"canary_not_written", "canary_not_read", "canary_not_replicated", "mark_lost"}


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _end(move: Move) -> dict[str, Any]:
    signed = report.signed_report(move)
    report.store(move, signed)
    return signed
