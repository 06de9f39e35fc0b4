"""What the RDS stand-in shows and refuses, through the endpoints of the Regions."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import boto3
import pytest

from sandbox.identities import AUDIT, DATABASE_ADMIN, TENANT_ACCOUNT, access_key
from sandbox.kms.trail import read_events
from sandbox.layout import ACCOUNT, GLOBAL_CLUSTER, PRIMARY, REGIONS, ROOT
from sandbox.rds.client import rds_client
from sandbox.rds.description import cluster_arn, cluster_id
from tests.sandbox.callers import client_with
from tests.sandbox.kms_cast import refused
from tests.stack import Stack

AWAY = "eu-west-1"


def rds(stack: Stack, region: str = PRIMARY) -> Any:
    return rds_client(stack.home, stack.ports, region)


@pytest.mark.parametrize("region", REGIONS)
def test_the_global_cluster_is_shown_alike_in_every_region(stack: Stack, region: str) -> None:
    [cluster] = rds(stack, region).describe_global_clusters()["GlobalClusters"]
    assert cluster["GlobalClusterIdentifier"] == GLOBAL_CLUSTER
    assert cluster["GlobalClusterArn"] == f"arn:aws:rds::{ACCOUNT}:global-cluster:mrk-gateway"
    assert cluster["Status"] == "available"
    assert cluster["Engine"] == "aurora-postgresql"
    assert cluster["EngineVersion"].split(".")[0].isdecimal()
    members = {each["DBClusterArn"]: each for each in cluster["GlobalClusterMembers"]}
    assert set(members) == {cluster_arn(each) for each in REGIONS}
    writer = members[cluster_arn(PRIMARY)]
    assert writer["IsWriter"] is True
    assert writer["Readers"] == [cluster_arn("us-west-1"), cluster_arn(AWAY)]
    assert {each["SynchronizationStatus"] for each in members.values()} == {"connected"}
    assert [each["IsWriter"] for each in members.values()].count(True) == 1


def test_each_region_shows_its_own_cluster_and_where_it_listens(stack: Stack) -> None:
    for region in REGIONS:
        [cluster] = rds(stack, region).describe_db_clusters()["DBClusters"]
        assert cluster["DBClusterArn"] == cluster_arn(region)
        assert (cluster["Endpoint"], cluster["Port"]) == (
            "127.0.0.1",
            stack.ports.postgres(region),
        )
        assert cluster["Status"] == "available"
        assert cluster["GlobalClusterIdentifier"] == GLOBAL_CLUSTER
        [member] = cluster["DBClusterMembers"]
        assert member["IsClusterWriter"] is (region == PRIMARY)
    [away] = rds(stack, AWAY).describe_db_clusters(DBClusterIdentifier=cluster_id(AWAY))[
        "DBClusters"
    ]
    assert away["ReplicationSourceIdentifier"] == cluster_arn(PRIMARY)
    with refused("DBClusterNotFoundFault"):
        rds(stack, AWAY).describe_db_clusters(DBClusterIdentifier=cluster_id(PRIMARY))


def test_what_does_not_exist_or_make_sense_is_refused_and_nothing_moves(stack: Stack) -> None:
    client = rds(stack)
    with refused("GlobalClusterNotFoundFault"):
        client.describe_global_clusters(GlobalClusterIdentifier="other")
    with refused("GlobalClusterNotFoundFault"):
        client.switchover_global_cluster(
            GlobalClusterIdentifier="other", TargetDbClusterIdentifier=cluster_arn(AWAY)
        )
    with refused("DBClusterNotFoundFault"):
        client.switchover_global_cluster(
            GlobalClusterIdentifier=GLOBAL_CLUSTER,
            TargetDbClusterIdentifier=f"{cluster_arn(AWAY)}-other",
        )
    with refused("InvalidDBClusterStateFault", "primary cluster already"):
        client.failover_global_cluster(
            GlobalClusterIdentifier=GLOBAL_CLUSTER,
            TargetDbClusterIdentifier=cluster_arn(PRIMARY),
            AllowDataLoss=True,
        )
    with refused("InvalidParameterCombination"):
        client.failover_global_cluster(
            GlobalClusterIdentifier=GLOBAL_CLUSTER,
            TargetDbClusterIdentifier=cluster_arn(AWAY),
            AllowDataLoss=True,
            Switchover=True,
        )
    with refused("InvalidParameterValue"):
        client.describe_global_clusters(Filters=[{"Name": "x", "Values": ["y"]}])
    with refused("AccessDenied", "rds:DescribeDBInstances"):
        client.describe_db_instances()
    [cluster] = client.describe_global_clusters()["GlobalClusters"]
    assert cluster["Status"] == "available"


def client_of(stack: Stack, profile: str, **changes: str) -> Any:
    key_id, secret = access_key(stack.home, profile)
    session: Any = boto3.Session()
    return session.client(
        "rds",
        PRIMARY,
        endpoint_url=stack.kms_endpoint(PRIMARY),
        aws_access_key_id=key_id,
        **{"aws_secret_access_key": secret, **changes},
    )


def test_only_the_database_administrator_moves_databases(stack: Stack) -> None:
    asked = {
        "GlobalClusterIdentifier": GLOBAL_CLUSTER,
        "TargetDbClusterIdentifier": cluster_arn(AWAY),
    }
    for profile in (AUDIT, "gateway-admin", "gateway-use-us-east-2"):
        with refused("AccessDenied"):
            client_of(stack, profile).switchover_global_cluster(**asked)
    with refused("SignatureDoesNotMatch"):
        client_of(stack, DATABASE_ADMIN, aws_secret_access_key="wrong").describe_global_clusters()


def test_another_account_has_no_databases(stack: Stack) -> None:
    theirs = client_with(stack, "rds", TENANT_ACCOUNT, "rds:*", "*")
    assert theirs.describe_global_clusters()["GlobalClusters"] == []
    assert theirs.describe_db_clusters()["DBClusters"] == []
    with refused("GlobalClusterNotFoundFault"):
        theirs.switchover_global_cluster(
            GlobalClusterIdentifier=GLOBAL_CLUSTER, TargetDbClusterIdentifier=cluster_arn(AWAY)
        )


def test_a_policy_may_name_the_clusters_that_it_allows(stack: Stack) -> None:
    client = client_with(stack, "rds", ACCOUNT, "rds:*", cluster_arn(PRIMARY))
    assert client.describe_db_clusters(DBClusterIdentifier=cluster_id(PRIMARY))["DBClusters"]
    with refused("AccessDenied", "global-cluster"):
        client.describe_global_clusters()
    with refused("AccessDenied"):
        client.describe_db_clusters(DBClusterIdentifier=cluster_id(AWAY))


def test_calls_are_in_the_trail_with_their_errors(stack: Stack) -> None:
    client = rds(stack)
    client.describe_global_clusters()
    with refused("GlobalClusterNotFoundFault"):
        client.describe_global_clusters(GlobalClusterIdentifier="other")
    events = [
        event
        for event in read_events(stack.home.path / "kms" / "trail" / f"{PRIMARY}.jsonl")
        if event["eventSource"] == "rds.amazonaws.com"
    ]
    last, error = events[-2:]
    assert last["eventName"] == error["eventName"] == "DescribeGlobalClusters"
    assert "errorCode" not in last
    assert error["errorCode"] == "GlobalClusterNotFoundFault"
    assert last["userIdentity"]["arn"].endswith("assumed-role/mrk-database-admin/sandbox")


def test_nobody_else_reaches_it_past_the_endpoints(stack: Stack) -> None:
    assert stack.home.rds_socket.parent.stat().st_mode & 0o777 == 0o700


def test_it_does_not_start_where_it_looks_like_production(stack: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.rds", str(stack.home.path), str(stack.ports.base)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "GATEWAY_ENVIRONMENT": "production"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "production" in done.stderr
