"""Switchover and failover as an operator asks for them on AWS: by boto3, with a role that may do nothing else."""

from __future__ import annotations

import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.errors import SandboxError
from sandbox.identities import DATABASE_ADMIN, access_key
from sandbox.layout import GLOBAL_CLUSTER, REGIONS, Home
from sandbox.ports import Ports
from sandbox.rds.description import cluster_arn

_PATIENCE = 180.0


def rds_client(home: Home, ports: Ports, region: str) -> Any:
    """RDS of that Region, as the database administrator."""
    key_id, secret = access_key(home, DATABASE_ADMIN)
    session: Any = boto3.Session()
    return session.client(
        "rds",
        region,
        endpoint_url=f"http://127.0.0.1:{ports.kms(region)}",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(connect_timeout=2, read_timeout=30, retries={"total_max_attempts": 2}),
    )


def move_writer(home: Home, ports: Ports, target: str, *, lose_data: bool) -> str:
    """Make that Region's cluster the primary one and wait for the end; returns the writer's Region. SandboxError."""
    asked = {
        "GlobalClusterIdentifier": GLOBAL_CLUSTER,
        "TargetDbClusterIdentifier": cluster_arn(target),
    }
    client = rds_client(home, ports, _reachable(home, ports, target))
    try:
        if lose_data:
            client.failover_global_cluster(**asked, AllowDataLoss=True)
        else:
            client.switchover_global_cluster(**asked)
        return _wait(client)
    except (ClientError, BotoCoreError) as error:
        raise SandboxError(str(error)) from error


def _reachable(home: Home, ports: Ports, preferred: str) -> str:
    """A Region whose endpoint answers: a Region that is lost can be failed over to from no other."""
    for region in (preferred, *REGIONS):
        try:
            rds_client(home, ports, region).describe_global_clusters()
        except (ClientError, BotoCoreError):
            continue
        return region
    raise SandboxError("No Region's endpoint answers.")


def _wait(client: Any) -> str:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        [cluster] = client.describe_global_clusters()["GlobalClusters"]
        if cluster["Status"] == "available":
            [writer] = [each for each in cluster["GlobalClusterMembers"] if each["IsWriter"]]
            return str(writer["DBClusterArn"]).split(":")[3]
        time.sleep(0.2)
    raise SandboxError("The change of the writer does not end. See: make logs NAME=rds")
