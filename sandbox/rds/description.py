"""How RDS describes the global database and its clusters.

Source: Amazon RDS API Reference, GlobalCluster, GlobalClusterMember, FailoverState and DBCluster. Members without a
counterpart in the sandbox (subnets, parameter groups, backups) are left out.
"""

from __future__ import annotations

from typing import Any

import psycopg

from sandbox.layout import ACCOUNT, GLOBAL_CLUSTER, REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.configuration import DATABASE
from sandbox.postgres.roles import connect
from sandbox.postgres.writer import find_writer
from sandbox.rds.change import Change
from sandbox.supervision import find_states

ENGINE = "aurora-postgresql"

_STATUS = {"RUNNING": "available", "STARTING": "starting", "BACKOFF": "starting"}


def cluster_id(region: str) -> str:
    """The identifier of that Region's DB cluster."""
    return f"{GLOBAL_CLUSTER}-{region}"


def cluster_arn(region: str) -> str:
    """The ARN of that Region's DB cluster."""
    return f"arn:aws:rds:{region}:{ACCOUNT}:cluster:{cluster_id(region)}"


def find_region(identifier: str, *, at: str = "") -> str | None:
    """The Region whose cluster it names: by ARN, or by the identifier alone in that cluster's own Region."""
    for region in REGIONS:
        if identifier == cluster_arn(region) or (identifier == cluster_id(region) and region == at):
            return region
    return None


def describe_global_cluster(
    home: Home, ports: Ports, version: str, change: Change | None
) -> dict[str, Any]:
    """The GlobalCluster as it is now."""
    writer = find_writer(home)
    connected = _connected(home, ports, writer)
    shown: dict[str, Any] = {
        "GlobalClusterIdentifier": GLOBAL_CLUSTER,
        "GlobalClusterResourceId": f"cluster-{home.digest}",
        "GlobalClusterArn": f"arn:aws:rds::{ACCOUNT}:global-cluster:{GLOBAL_CLUSTER}",
        "Status": change.status if change else "available",
        "Engine": ENGINE,
        "EngineVersion": version,
        "DatabaseName": DATABASE,
        "StorageEncrypted": False,
        "DeletionProtection": False,
        "GlobalClusterMembers": [_member(region, writer, connected) for region in REGIONS],
    }
    if change:
        shown["FailoverState"] = {
            "Status": change.status,
            "FromDbClusterArn": cluster_arn(change.source),
            "ToDbClusterArn": cluster_arn(change.target),
            "IsDataLossAllowed": change.loses_data,
        }
    return shown


def describe_cluster(
    home: Home, ports: Ports, region: str, version: str, change: Change | None
) -> dict[str, Any]:
    """The DBCluster of that Region as it is now."""
    writer = find_writer(home)
    state = find_states(home)[f"postgres-{region}"]["statename"]
    moving = change is not None and region in (change.source, change.target)
    return {
        "DBClusterIdentifier": cluster_id(region),
        "DBClusterArn": cluster_arn(region),
        "DbClusterResourceId": f"cluster-{home.digest}-{region}",
        "Status": change.status if change and moving else _STATUS.get(state, "stopped"),
        "Engine": ENGINE,
        "EngineVersion": version,
        "EngineMode": "provisioned",
        "DatabaseName": DATABASE,
        "Endpoint": "127.0.0.1",
        "ReaderEndpoint": "127.0.0.1",
        "Port": ports.postgres(region),
        "StorageEncrypted": False,
        "GlobalClusterIdentifier": GLOBAL_CLUSTER,
        "GlobalWriteForwardingStatus": "disabled",
        "ReplicationSourceIdentifier": "" if region == writer else cluster_arn(writer),
        "DBClusterMembers": [
            {
                "DBInstanceIdentifier": f"{cluster_id(region)}-1",
                "IsClusterWriter": region == writer,
                "DBClusterParameterGroupStatus": "in-sync",
            }
        ],
    }


def _member(region: str, writer: str, connected: set[str]) -> dict[str, Any]:
    is_writer = region == writer
    return {
        "DBClusterArn": cluster_arn(region),
        "Readers": [cluster_arn(each) for each in REGIONS if each != writer] if is_writer else [],
        "IsWriter": is_writer,
        "GlobalWriteForwardingStatus": "disabled",
        "SynchronizationStatus": "connected"
        if is_writer or region in connected
        else "pending-resync",
    }


def _connected(home: Home, ports: Ports, writer: str) -> set[str]:
    """The Regions that stream from the writer."""
    query = "select application_name from pg_stat_replication where state = 'streaming'"
    try:
        with connect(home, ports, writer) as connection:
            return {name for (name,) in connection.execute(query)}
    except psycopg.OperationalError:
        return set()
