"""A data plane of a test's own, whose writer it moves and kills, and a client that writes as the gateway does."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg

from sandbox import data_plane, programs
from sandbox.files import secret
from sandbox.layout import GLOBAL_CLUSTER, REGIONS, Home
from sandbox.ports import Ports, find_free
from sandbox.postgres.roles import connect, password_path
from sandbox.postgres.writer import find_writer
from sandbox.processes import end_processes
from sandbox.rds.client import rds_client
from sandbox.rds.description import cluster_arn
from sandbox.readiness import streams
from sandbox.supervision import stop_supervisord


class Stage:
    """Three databases, their RDS and their KMS, running."""

    def __init__(self, home: Home, ports: Ports) -> None:
        self.home, self.ports = home, ports
        self._clients: dict[str, Any] = {}

    @property
    def writer(self) -> str:
        return find_writer(self.home)

    @property
    def replicas(self) -> list[str]:
        return [region for region in REGIONS if region != self.writer]

    def rds(self, region: str) -> Any:
        if region not in self._clients:
            self._clients[region] = rds_client(self.home, self.ports, region)
        return self._clients[region]

    def move(self, target: str, **options: bool) -> None:
        """Ask that Region's RDS to make it the writer, and wait until nothing is under way."""
        asked = {
            "GlobalClusterIdentifier": GLOBAL_CLUSTER,
            "TargetDbClusterIdentifier": cluster_arn(target),
        }
        if options:
            self.rds(target).failover_global_cluster(**asked, **options)
        else:
            self.rds(target).switchover_global_cluster(**asked)
        self.wait_until_available(target)

    def wait_until_available(self, region: str) -> None:
        wait_until(lambda: self.cluster(region)["Status"] == "available")

    def cluster(self, region: str) -> dict[str, Any]:
        [cluster] = self.rds(region).describe_global_clusters()["GlobalClusters"]
        return dict(cluster)

    def write(self, rows: int = 1) -> int:
        """Write rows as the gateway does, to whichever database takes writes; returns how many there are then."""
        with self._writing() as connection:
            connection.execute("create table if not exists written (n bigserial primary key)")
            for _ in range(rows):
                connection.execute("insert into written default values")
            return count(connection)

    def rows(self, region: str) -> int:
        """How many rows that Region's database shows."""
        with connect(self.home, self.ports, region, database="gateway") as connection:
            return count(connection)

    def follow(self, rows: int) -> bool:
        """Whether both replicas stream and come to show that many rows."""
        wait_until(
            lambda: all(
                streams(self.home, self.ports, region) and self.rows(region) == rows
                for region in self.replicas
            )
        )
        return True

    def timeline(self, region: str) -> int:
        with connect(self.home, self.ports, region) as connection:
            [found] = connection.execute(
                "select coalesce((select received_tli from pg_stat_wal_receiver),"
                " (select timeline_id from pg_control_checkpoint()))"
            ).fetchone() or [0]
            return int(found)

    @contextmanager
    def cut_off(self, *regions: str) -> Iterator[None]:
        """The writer sends those replicas nothing while the block runs, in which it is expected to die."""
        query = "select pid from pg_stat_replication where application_name = any(%s)"
        with connect(self.home, self.ports, self.writer) as connection:
            senders = [pid for (pid,) in connection.execute(query, [list(regions)])]
        for pid in senders:
            os.kill(pid, signal.SIGSTOP)
        yield

    def _writing(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The gateway's own way to the writer: every Region's host, and whichever is no replica."""
        return psycopg.connect(
            host=",".join("127.0.0.1" for _ in REGIONS),
            port=",".join(str(self.ports.postgres(region)) for region in REGIONS),
            target_session_attrs="read-write",
            user="gateway_owner",
            password=secret(password_path(self.home, "gateway_owner")),
            dbname="gateway",
            sslmode="verify-full",
            sslrootcert=str(self.home.ca_certificate),
            connect_timeout=2,
            autocommit=True,
        )

    @contextmanager
    def writing_all_the_time(self) -> Iterator[list[int]]:
        """Rows are written while the block runs, by a client that comes back after each error; those acknowledged."""
        acknowledged: list[int] = []
        stop = Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    with self._writing() as connection:
                        while not stop.is_set():
                            query = "insert into written default values returning n"
                            [number] = connection.execute(query).fetchone() or [0]
                            acknowledged.append(int(number))
                except psycopg.OperationalError:
                    time.sleep(0.02)

        thread = Thread(target=work)
        thread.start()
        try:
            yield acknowledged
        finally:
            stop.set()
            thread.join()


def count(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    found = connection.execute("select count(*) from written").fetchone()
    return int(found[0]) if found else 0


def wait_until(holds: Callable[[], bool], patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            if holds():
                return
        except psycopg.Error:
            pass
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def data_plane_of_its_own() -> Iterator[Stage]:
    """All that stands for AWS, stopped and deleted at the end."""
    home, ports = Home(Path(tempfile.mkdtemp(prefix="mrk-test-"))), find_free()
    try:
        data_plane.prepare(home, ports)
        supervisor = data_plane.start(home, ports, programs.data_plane(home, ports), temporary=True)
        assert supervisor is not None
        yield Stage(home, ports)
    finally:
        stop_supervisord(home)
        end_processes(home)
        home.delete()
