"""The writer is lost: another Region takes over, the others follow, and the old writer comes back as a replica."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from sandbox import data_plane, programs
from sandbox.files import write_file
from sandbox.layout import GLOBAL_CLUSTER, REGIONS
from sandbox.outages import Part, kill_region, start_region
from sandbox.postgres.cluster import forget_dead_servers
from sandbox.postgres.failover import candidates, running
from sandbox.postgres.writer import record_writer
from sandbox.processes import end_processes, find_processes
from sandbox.rds.description import cluster_arn
from sandbox.supervision import find_states, stop_supervisord
from tests.sandbox.kms_cast import refused
from tests.sandbox.rds_cast import Stage, data_plane_of_its_own, wait_until


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with data_plane_of_its_own() as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """The databases, all running, whoever is the writer, also after a test that failed."""
    for region in set(REGIONS) - running(shared.home):
        get_back_database(shared, region)
    shared.write(5)
    assert shared.follow(shared.write())
    return shared


def lose_database(stage: Stage, region: str) -> None:
    kill_region(stage.home, stage.ports, region, [Part.DATABASE])
    assert find_states(stage.home)[f"postgres-{region}"]["statename"] == "STOPPED"


def get_back_database(stage: Stage, region: str) -> None:
    start_region(stage.home, stage.ports, region, [Part.DATABASE])


@pytest.mark.parametrize("time", ["first", "second"])
def test_after_a_crash_another_region_writes_and_the_old_writer_comes_back_as_a_replica(
    stage: Stage, time: str
) -> None:
    old = stage.writer
    rows = stage.write()
    stage.follow(rows)
    lose_database(stage, old)
    target = stage.replicas[0]
    stage.move(target, AllowDataLoss=True)
    assert stage.writer == target
    assert stage.write(3) == rows + 3, "the same client, with the same settings, writes again"
    [shown] = stage.rds(old).describe_db_clusters()["DBClusters"]
    assert shown["Status"] == "stopped", "what was lost is not back by itself"
    members = stage.cluster(target)["GlobalClusterMembers"]
    assert {each["DBClusterArn"]: each["SynchronizationStatus"] for each in members} == {
        cluster_arn(region): "pending-resync" if region == old else "connected"
        for region in REGIONS
    }
    get_back_database(stage, old)
    assert stage.follow(rows + 3)
    assert len({stage.timeline(region) for region in REGIONS}) == 1


def test_what_only_the_old_writer_had_is_gone_when_it_comes_back(stage: Stage) -> None:
    """Two histories: a server that kept the lost rows could never follow."""
    old = stage.writer
    rows = stage.write()
    stage.follow(rows)
    directory = (stage.home.postgres / old).stat().st_ino
    with stage.cut_off(*stage.replicas):
        assert stage.write(40) == rows + 40
        lose_database(stage, old)
    stage.move(stage.replicas[0], AllowDataLoss=True)
    assert stage.write(2) == rows + 2
    get_back_database(stage, old)
    assert stage.follow(rows + 2)
    assert (stage.home.postgres / old).stat().st_ino == directory, "rewound, and not copied afresh"


def test_a_running_writer_is_fenced_and_rejoins_at_once(stage: Stage) -> None:
    """FailoverGlobalCluster while the writer lives: two never take writes."""
    target = stage.replicas[1]
    with stage.writing_all_the_time() as acknowledged:
        wait_until(lambda: len(acknowledged) > 20)
        stage.move(target, AllowDataLoss=True)
        after = len(acknowledged)
        wait_until(lambda: len(acknowledged) > after + 20)
    assert stage.writer == target
    assert stage.follow(stage.write())


def test_the_replica_that_has_most_is_known_and_one_that_has_more_than_the_chosen_gives_it_up(
    stage: Stage,
) -> None:
    old = stage.writer
    behind, ahead = stage.replicas
    rows = stage.write()
    stage.follow(rows)
    with stage.cut_off(behind):
        stage.write(40)
        wait_until(lambda: stage.rows(ahead) == rows + 40)
        lose_database(stage, old)
    has = candidates(stage.home, stage.ports)
    assert max(has, key=lambda region: has[region]) == ahead
    stage.move(behind, AllowDataLoss=True)
    assert stage.write() == rows + 1
    get_back_database(stage, old)
    assert stage.follow(rows + 1)


def test_a_failover_that_is_killed_half_way_is_finished_by_the_next_process(stage: Stage) -> None:
    old, target = stage.writer, stage.replicas[0]
    rows = stage.write()
    stage.follow(rows)
    stage.rds(target).failover_global_cluster(
        GlobalClusterIdentifier=GLOBAL_CLUSTER,
        TargetDbClusterIdentifier=cluster_arn(target),
        AllowDataLoss=True,
    )
    wait_until(lambda: stage.writer == target)
    os.kill(find_states(stage.home)["rds"]["pid"], signal.SIGKILL)
    wait_until(lambda: not (stage.home.path / "database-change.json").exists())
    assert stage.write() == rows + 1
    assert old in stage.replicas
    assert stage.follow(rows + 1)


def test_nothing_happens_when_the_chosen_replica_is_lost_too(stage: Stage) -> None:
    writer, target = stage.writer, stage.replicas[0]
    rows = stage.write()
    lose_database(stage, target)
    with refused("InvalidDBClusterStateFault"):
        stage.move(target, AllowDataLoss=True)
    assert stage.writer == writer
    assert stage.write() == rows + 1
    get_back_database(stage, target)
    assert stage.follow(rows + 1)


def test_a_rewind_that_was_cut_short_is_replaced_by_a_fresh_copy(stage: Stage) -> None:
    """Half rewound, a directory is neither one server's nor the other's, and must not be started."""
    old = stage.writer
    lose_database(stage, old)
    target = stage.replicas[0]
    stage.move(target, AllowDataLoss=True)
    directory = stage.home.postgres / old
    (directory / "global" / "pg_control").write_bytes(b"half")
    write_file(stage.home.postgres / f"{old}.rewinding", "")
    get_back_database(stage, old)
    assert stage.follow(stage.write())
    assert not (stage.home.postgres / f"{old}.rewinding").exists()


def test_a_start_after_everything_was_killed_finds_the_writer_even_if_it_was_not_yet_promoted(
    stage: Stage,
) -> None:
    rows = stage.write()
    stage.follow(rows)
    target = stage.replicas[0]
    record_writer(stage.home, target)
    for pid in find_processes(stage.home):
        os.kill(pid, signal.SIGKILL)
    stop_supervisord(stage.home)
    end_processes(stage.home)
    forget_dead_servers(stage.home)
    data_plane.prepare(stage.home, stage.ports)
    data_plane.start(stage.home, stage.ports, programs.data_plane(stage.home, stage.ports))
    assert stage.writer == target
    assert stage.write() == rows + 1
    assert stage.follow(rows + 1)
