"""How much the move has lost: what the old writer had acknowledged and the new one has not.

Planned, it is nothing, which a mark proves: it is the last thing that the old writer is asked to store, and the new one
must have it. Unplanned, nobody is left who knows. What can be said is a bound: everything that was committed up to the
newest moment of the old writer that the target had is there, and nothing was acknowledged after the old writer was
fenced, so what is lost was acknowledged in between. How much of the log other Regions had more is counted in bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models.functions import Now

from tenants.errors import WriterMoved
from tenants.models import WriterEpoch
from tenants.scope import fleet_scope
from tenants.services.failover import readers
from tenants.services.failover.journal import Severity, stamp
from tenants.services.failover.moves import Kind, Move
from tenants.services.failover.readers import Reading


def leave_mark(move: Move) -> datetime | None:
    """A beat on the old writer, where it still answers: when that was, by its own clock."""
    if move.writer_before is None:
        return None
    try:
        with fleet_scope("write"):
            WriterEpoch.objects.update(beat_at=Now())
            return WriterEpoch.objects.values_list("beat_at", flat=True).get()
    except WriterMoved:
        return None


def last_of_target(move: Move) -> Reading | None:
    """What the target has, as late as possible before it is told to take over."""
    return readers.read_own(move.wanted.target) or move.readings.get(move.wanted.target)


def measure(move: Move, *, mark: datetime | None, had: Reading | None, fenced_at: datetime) -> None:
    """Fill in what the report says of loss. `had` is what the target had just before, by its own reader; `fenced_at` is
    when RDS had taken the order, after which the old writer acknowledges nothing that counts."""
    now = readers.find_writer(move.wanted.target)
    has_mark = bool(mark and now and now.beat_at >= mark)
    lost = 0 if has_mark else _bound(had, fenced_at)
    move.loss = {
        "mark": stamp(mark),
        "mark_is_there": has_mark,
        "last_beat_at": stamp(had.beat_at) if had else None,
        "last_commit_at": stamp(had.last_commit_at) if had else None,
        "fenced_at": stamp(fenced_at),
        "lost_at_most_milliseconds": lost,
        "positions": {region: found.position for region, found in move.readings.items() if found},
        "writer_position": move.writer_before.position if move.writer_before else None,
    }
    if mark and not has_mark:
        text = "The last that the old writer stored before the order is not in the new one."
        move.journal.find(Severity.WARNING, "mark_lost", text)
    if lost:
        text = f"Writes that were acknowledged in the last {lost / 1000:.1f} s before the order may be lost."
        move.journal.find(Severity.WARNING, "writes_may_be_lost", text)


def expect(move: Move) -> dict[str, Any]:
    """What a rehearsal can say: how far the target is behind now, so what would be lost were the writer lost now."""
    own, writer = move.readings.get(move.wanted.target), move.writer_before
    lost = _bound(own, datetime.now(UTC))
    if writer and (move.wanted.kind is Kind.SWITCHOVER or _has_all(own, writer)):
        lost = 0
    return {
        "last_beat_at": stamp(own.beat_at) if own else None,
        "last_commit_at": stamp(own.last_commit_at) if own else None,
        "lost_at_most_milliseconds": lost,
        "positions": {region: found.position for region, found in move.readings.items() if found},
        "writer_position": move.writer_before.position if move.writer_before else None,
    }


def _has_all(own: Reading | None, writer: Reading) -> bool:
    return bool(own and own.position and writer.position and own.position >= writer.position)


def _bound(had: Reading | None, fenced_at: datetime) -> int | None:
    """In milliseconds; None where nothing is known."""
    if had is None:
        return None
    return max(0, round((fenced_at - had.newest).total_seconds() * 1000))
