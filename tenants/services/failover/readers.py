"""What each Region's database has of the writer's log, asked of that Region's own reader.

Plain PostgreSQL tells positions in its write-ahead log; Aurora replicates storage and tells them, and who the writer
is, by `aurora_global_db_instance_status()` ("Monitoring an Aurora global database", Aurora User Guide). When the writer
last said that it lives (`tenants/services/heartbeat.py`) is replicated by both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections

from tenants.consistency import LOCAL, WRITER
from tenants.rds.global_cluster import Endpoint
from tenants.selectors.writer import IS_AURORA
from tenants.services.failover.journal import stamp

_PLAIN = """
    select pg_is_in_recovery(), beat_at, clock_timestamp(), epoch,
        current_setting('cluster_name', true), pg_last_xact_replay_timestamp(),
        (case when pg_is_in_recovery()
            then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
            else pg_current_wal_flush_lsn() end - '0/0'::pg_lsn)::bigint
    from tenants_writerepoch
"""
_AURORA = """
    select pg_is_in_recovery(), beat_at, clock_timestamp(), epoch,
        (select aws_region from aurora_global_db_instance_status() where session_id = 'MASTER_SESSION_ID'),
        null::timestamptz,
        (select max(highest_lsn_rcvd) from aurora_global_db_instance_status() where aws_region = %s)
    from tenants_writerepoch
"""
_CANARY = "select message from tenants_writercanary where tenant_id = %s"


@dataclass(frozen=True, slots=True)
class Reading:
    """One database at one moment. `position` counts bytes of the log that are safe there; `beat_at` and
    `last_commit_at` are times of the writer. `region` is the Region that the server itself says it is in, or on Aurora
    that the writer is in; empty where it says neither."""

    is_writer: bool
    beat_at: datetime
    now: datetime
    epoch: int
    region: str
    last_commit_at: datetime | None
    position: int | None

    @property
    def newest(self) -> datetime:
        """The latest moment of the writer that is known to be here."""
        return max(self.beat_at, self.last_commit_at or self.beat_at)

    def as_document(self) -> dict[str, Any]:
        """For the report."""
        return {
            "is_writer": self.is_writer,
            "position": self.position,
            "last_beat_at": stamp(self.beat_at),
            "last_commit_at": stamp(self.last_commit_at),
            "behind_milliseconds": round((self.now - self.beat_at).total_seconds() * 1000),
        }


@contextmanager
def connected(alias: str, endpoint: Endpoint | None = None) -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own, in no pool and not slowed by what is remembered of a server that is away: to the writer,
    to this Region's reader, or to the reader at `endpoint`. In autocommit. Raises `psycopg.Error`."""
    wrapper: Any = connections[alias].copy(alias=f"{alias}-once")
    wrapper.settings_dict["OPTIONS"].pop("pool", None)
    if endpoint is not None:
        wrapper.settings_dict |= {"HOST": endpoint.host, "PORT": str(endpoint.port)}
    elif alias == LOCAL:  # no other Region's, which stand in for it
        own = {name: wrapper.settings_dict[name].split(",")[0] for name in ("HOST", "PORT")}
        wrapper.settings_dict |= own
    with wrapper.get_new_connection(wrapper.get_connection_params()) as session:
        session.autocommit = True
        yield session


def read(alias: str, region: str, endpoint: Endpoint | None = None) -> Reading:
    """Look at a database; `region` is the one that it is expected in. Raises `psycopg.Error`."""
    with connected(alias, endpoint) as session:
        [[is_aurora]] = session.execute(IS_AURORA).fetchall()
        asked = session.execute(_AURORA, [region]) if is_aurora else session.execute(_PLAIN)
        [[in_recovery, beat, now, epoch, where, commit, position]] = asked.fetchall()
    known = where if where in settings.GATEWAY_REGIONS else ""
    return Reading(not in_recovery, beat, now, epoch, known, commit, position)


def find(alias: str, region: str, endpoint: Endpoint | None = None) -> Reading | None:
    """The same, None where nothing answers."""
    try:
        return read(alias, region, endpoint)
    except psycopg.Error:
        return None


def find_writer(target: str) -> Reading | None:
    """The writer as a process of the target Region reaches it, None where none takes writes."""
    found = find(WRITER, target)
    return found if found and found.is_writer else None


def read_own(target: str) -> Reading | None:
    """The target's own reader, None where it does not answer."""
    return find(LOCAL, target)


def read_canaries(endpoint: Endpoint, tenants: Collection[UUID]) -> dict[UUID, bytes]:
    """The messages of these tenants' canaries that another Region's reader shows. Raises `psycopg.Error`."""
    found = {}
    with connected(LOCAL, endpoint) as session:
        for tenant_id in tenants:
            with session.transaction():  # the tenant is known within it alone
                session.execute("select set_config('app.tenant_id', %s, true)", [str(tenant_id)])
                row = session.execute(_CANARY, [tenant_id]).fetchone()
            if row:
                found[tenant_id] = bytes(row[0])
    return found
