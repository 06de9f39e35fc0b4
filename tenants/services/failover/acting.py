"""Moves the writer: tells RDS, waits until the target takes writes, and has everybody refuse the old one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from tenants import consistency
from tenants.consistency import WRITER
from tenants.errors import (
    WriterMoved,
    WriterMoveRefused,
    WriterMoveUnfinished,
    WriterMoveUnreachable,
)
from tenants.rds.global_cluster import AVAILABLE, GlobalCluster
from tenants.scope import drop_connections
from tenants.services.failover import readers
from tenants.services.failover.journal import Severity
from tenants.services.failover.moves import Kind, Move
from tenants.services.writer import begin_writer_epoch

_PAUSE: Final = 0.1
_RDS_PAUSE: Final = 1.0


def ask_rds(move: Move, rds: GlobalCluster) -> None:
    """Tell RDS. Where the answer is lost, whether it was heard is looked up: a second call would be refused."""
    try:
        if move.wanted.kind is Kind.SWITCHOVER:
            rds.switch_over(move.member, writer=move.source)
        else:
            rds.fail_over(move.member)
    except WriterMoveUnreachable:
        seen = rds.describe(move.wanted.target)
        if seen.status == AVAILABLE and seen.writer != move.wanted.target:
            raise


def await_writer(move: Move) -> None:
    """Until what is reached as the writer is in the target, and takes writes."""
    _wait(move, lambda: _is_there(move), f"{move.wanted.target} does not take writes.")


def begin_epoch(move: Move) -> None:
    """From here on every process that has seen the new writer refuses the old one. Its success is the first write."""

    def begin() -> bool:
        consistency.writer.answered()
        drop_connections(WRITER)
        try:
            move.epoch = begin_writer_epoch(region=move.wanted.target)
        except WriterMoved:
            return False
        return True

    _wait(move, begin, f"{move.wanted.target} does not take the first write.")


def await_cluster(move: Move, rds: GlobalCluster) -> None:
    """Until RDS has finished. Those Regions that do not follow the new writer are named, and waited for by nobody."""

    def is_settled() -> bool:
        try:
            move.cluster = rds.describe(move.wanted.target)
        except WriterMoveUnreachable:
            return False
        return move.cluster.status == AVAILABLE

    _wait(move, is_settled, "RDS does not finish.", pause=_RDS_PAUSE)
    cluster = move.cluster
    if cluster is None or cluster.writer != move.wanted.target:
        raise WriterMoveRefused(f"RDS says that the writer is not in {move.wanted.target}.")
    away = [each.region for each in cluster.members if not each.is_connected]
    if away:
        text = "These Regions do not follow the new writer yet."
        move.journal.find(Severity.WARNING, "region_not_connected", text, away)


def _is_there(move: Move) -> bool:
    found = readers.find_writer(move.wanted.target)
    # Where the server does not say which Region it is in, the first write decides: two never take writes.
    return found is not None and found.region in ("", move.wanted.target)


def _wait(move: Move, holds: Callable[[], bool], otherwise: str, pause: float = _PAUSE) -> None:
    deadline = time.monotonic() + move.wanted.patience
    while not holds():
        if time.monotonic() > deadline:
            raise WriterMoveUnfinished(otherwise)
        time.sleep(pause)
