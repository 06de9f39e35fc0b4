"""Whether the target's database can take over: as RDS says, and as each Region's reader shows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings

from tenants.consistency import LOCAL
from tenants.errors import WriterMoveRefused, WriterMoveUnreachable
from tenants.rds.global_cluster import AVAILABLE, GlobalCluster, Member
from tenants.services.failover import readers
from tenants.services.failover.journal import Journal, Severity
from tenants.services.failover.moves import Kind, Move
from tenants.services.failover.readers import Reading


def get_global_cluster() -> GlobalCluster:
    """The one of this deployment; raises `WriterMoveRefused` where none is configured."""
    if not settings.GATEWAY_GLOBAL_CLUSTER:
        raise WriterMoveRefused("Set GATEWAY_GLOBAL_CLUSTER to the name of the global cluster.")
    return GlobalCluster(
        settings.GATEWAY_GLOBAL_CLUSTER,
        profile=settings.GATEWAY_DATABASE_ADMIN_PROFILE,
        endpoints=settings.GATEWAY_RDS_ENDPOINTS,
    )


def see_cluster(move: Move, rds: GlobalCluster) -> None:
    """What RDS of the target says; raises `WriterMoveRefused` where the target is no cluster, or the writer."""
    target = move.wanted.target
    move.cluster = rds.describe(target)
    move.source = move.cluster.writer
    member = move.cluster.find(target)
    if member is None:
        raise WriterMoveRefused(f"The global cluster has no cluster in {target}.")
    if member.is_writer:
        raise WriterMoveRefused(f"The writer is in {target} already.")
    if move.cluster.status != AVAILABLE:
        text = f"The global cluster is {move.cluster.status}: something is under way."
        move.journal.find(Severity.BLOCKER, "cluster_busy", text)
    if move.wanted.kind is Kind.SWITCHOVER and not member.is_connected:
        text = f"RDS says that the cluster in {target} does not follow the writer."
        move.journal.find(Severity.BLOCKER, "target_not_connected", text, [target])


def see_readers(move: Move, rds: GlobalCluster) -> None:
    """What the writer, the target and every other Region have."""
    target, journal = move.wanted.target, move.journal
    others = [member for member in _members(move) if member.region != target]
    with ThreadPoolExecutor(len(others) + 2, thread_name_prefix="readers") as pool:
        writer = pool.submit(readers.find_writer, target)
        looks = {member.region: pool.submit(_look, rds, member) for member in others}
        own = readers.read_own(target)
        move.readings = {target: own, **{region: look.result() for region, look in looks.items()}}
        move.writer_before = writer.result()
    if own is None:
        text = f"The reader of {target} does not answer."
        journal.find(Severity.BLOCKER, "target_unreachable", text, [target])
    else:
        _judge_lag(move, own)
    _judge_writer(move)
    silent = [region for region, found in move.readings.items() if not found and region != target]
    if silent:
        text = "The databases of these Regions cannot be asked."
        journal.find(Severity.WARNING, "region_unreachable", text, silent)


def _members(move: Move) -> Iterator[Member]:
    return iter(move.cluster.members if move.cluster else ())


def _look(rds: GlobalCluster, member: Member) -> Reading | None:
    try:
        return readers.find(LOCAL, member.region, rds.reader_of(member))
    except (WriterMoveRefused, WriterMoveUnreachable):
        return None


def _judge_writer(move: Move) -> None:
    answers, journal = move.writer_before is not None, move.journal
    if move.wanted.kind is Kind.SWITCHOVER and not answers:
        text = f"The writer in {move.source} does not answer: a switchover needs it. See: failover"
        journal.find(Severity.BLOCKER, "writer_unreachable", text, [move.source])
    if move.wanted.kind is Kind.FAILOVER and answers:
        text = (
            f"The writer in {move.source} answers: a switchover loses nothing, a failover what the"
            " target has not received yet."
        )
        # Rehearsed is while it lives.
        severity = Severity.FACT if move.wanted.rehearse else Severity.BLOCKER
        journal.find(severity, "writer_answers", text, [move.source])


def _judge_lag(move: Move, own: Reading) -> None:
    """While the writer lives, its age is the lag. Once it is lost nothing beats, so it says how long it has been."""
    journal, seconds = move.journal, (own.now - own.beat_at).total_seconds()
    bound = settings.GATEWAY_READER_BEHIND_SECONDS
    if move.writer_before and bound and seconds > bound:
        text = f"The reader of {move.wanted.target} is {seconds:.0f} s behind, more than {bound} s."
        journal.find(Severity.BLOCKER, "target_behind", text, [move.wanted.target])
    ahead = {
        region: found.position - own.position
        for region, found in move.readings.items()
        if region not in (move.source, move.wanted.target)
        and found and found.position and own.position and found.position > own.position
    }  # fmt: skip
    if ahead and not move.writer_before:
        _tell_ahead(journal, ahead)


def _tell_ahead(journal: Journal, ahead: dict[str, int]) -> None:
    best = max(ahead, key=lambda region: ahead[region])
    text = (
        f"{best} has {ahead[best]:,} bytes of the writer's log more: to fail over there loses less."
    )
    journal.find(Severity.WARNING, "another_has_more", text, list(ahead))
