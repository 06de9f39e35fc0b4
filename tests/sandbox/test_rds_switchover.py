"""A planned switchover of the sandbox's databases through boto3: no write is lost, and it goes back and forth."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from sandbox.layout import GLOBAL_CLUSTER, PRIMARY
from sandbox.postgres.roles import connect
from sandbox.rds.description import cluster_arn
from sandbox.supervision import start_program, stop_program
from tests.sandbox.kms_cast import refused
from tests.sandbox.rds_cast import Stage, data_plane_of_its_own, wait_until


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with data_plane_of_its_own() as stage:
        yield stage


def test_every_acknowledged_row_is_on_the_new_writer_there_and_back_again(stage: Stage) -> None:
    """Twice: the second time the writer is a database that was a replica before, and the target one that was writer."""
    stage.write()
    with stage.writing_all_the_time() as acknowledged:
        for target in ("eu-west-1", PRIMARY):
            before = len(acknowledged)
            wait_until(lambda: len(acknowledged) > before + 20)  # noqa: B023 - waited for right here
            old = stage.writer
            stage.move(target)
            after = len(acknowledged)
            wait_until(lambda: len(acknowledged) > after + 20)  # noqa: B023 - as above
            assert stage.writer == target
            with (
                connect(stage.home, stage.ports, old) as connection,
                pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
            ):
                connection.execute("create table refused (n int)")
    total = stage.write()
    assert total >= len(acknowledged) + 2
    assert stage.follow(total)
    with connect(stage.home, stage.ports, stage.writer, database="gateway") as connection:
        kept = {number for (number,) in connection.execute("select n from written")}
    assert set(acknowledged) <= kept


def test_an_old_writer_keeps_no_log_for_others(stage: Stage) -> None:
    stage.move("us-west-1")
    for region in stage.replicas:
        with connect(stage.home, stage.ports, region) as connection:
            assert connection.execute("select slot_name from pg_replication_slots").fetchall() == []
    with connect(stage.home, stage.ports, stage.writer) as connection:
        slots = connection.execute("select slot_name from pg_replication_slots").fetchall()
    assert sorted(slots) == [("region_eu_west_1",), ("region_us_east_2",)]


def test_while_it_lasts_its_state_is_shown_and_no_second_one_begins(stage: Stage) -> None:
    old, target = stage.writer, stage.replicas[0]
    asked = {
        "GlobalClusterIdentifier": GLOBAL_CLUSTER,
        "TargetDbClusterIdentifier": cluster_arn(target),
    }
    client = stage.rds(target)
    answer = client.switchover_global_cluster(**asked)["GlobalCluster"]
    assert answer["Status"] == "switching-over"
    assert answer["FailoverState"] == {
        "Status": "switching-over",
        "FromDbClusterArn": cluster_arn(old),
        "ToDbClusterArn": cluster_arn(target),
        "IsDataLossAllowed": False,
    }
    with refused("InvalidGlobalClusterStateFault"):
        client.failover_global_cluster(
            GlobalClusterIdentifier=GLOBAL_CLUSTER,
            TargetDbClusterIdentifier=cluster_arn(stage.replicas[1]),
            AllowDataLoss=True,
        )
    stage.wait_until_available(target)
    cluster = stage.cluster(old)
    assert "FailoverState" not in cluster
    [writer] = [each for each in cluster["GlobalClusterMembers"] if each["IsWriter"]]
    assert writer["DBClusterArn"] == cluster_arn(target)


def test_a_database_that_does_not_follow_cannot_take_over(stage: Stage) -> None:
    writer, target = stage.writer, stage.replicas[0]
    rows = stage.write()
    stop_program(stage.home, f"postgres-{target}")
    [shown] = stage.rds(target).describe_db_clusters()["DBClusters"]
    assert shown["Status"] == "stopped"
    with refused("InvalidDBClusterStateFault"):
        stage.move(target)
    start_program(stage.home, f"postgres-{target}")
    assert stage.follow(rows)
    assert stage.writer == writer


def test_failover_without_data_loss_is_a_switchover(stage: Stage) -> None:
    rows = stage.write()
    target = stage.replicas[0]
    stage.move(target, Switchover=True)
    assert stage.writer == target
    assert stage.write() == rows + 1
    assert stage.follow(rows + 1)
