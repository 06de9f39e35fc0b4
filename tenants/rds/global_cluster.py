"""The Aurora global database as RDS shows it, and the two calls that make another Region its writer.

Source: Amazon RDS API Reference, DescribeGlobalClusters, SwitchoverGlobalCluster, FailoverGlobalCluster and
DescribeDBClusters; Aurora User Guide, "Using switchover or failover in Amazon Aurora Global Database".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tenants.errors import WriterMoveRefused, WriterMoveUnreachable

AVAILABLE: Final = "available"


@dataclass(frozen=True, slots=True)
class Member:
    """One Region's cluster. `is_connected`: RDS says that it follows the writer, or is it."""

    region: str
    arn: str
    is_writer: bool
    is_connected: bool


@dataclass(frozen=True, slots=True)
class GlobalDatabase:
    """The global cluster. `status` is `available` where nothing is under way."""

    status: str
    members: tuple[Member, ...]

    @property
    def writer(self) -> str:
        """The Region of the writer, empty where RDS names none."""
        return next((member.region for member in self.members if member.is_writer), "")

    def find(self, region: str) -> Member | None:
        """The cluster of that Region."""
        return next((member for member in self.members if member.region == region), None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a cluster's readers are reached."""

    host: str
    port: int


class GlobalCluster:
    """RDS of several Regions, asked about one global cluster. Each method names the Region whose RDS it asks: while a
    Region is lost, so is its RDS."""

    def __init__(self, identifier: str, *, profile: str, endpoints: Mapping[str, str]) -> None:
        """`profile` names the AWS profile of the database administrator, empty for the process's own credentials;
        `endpoints` maps a Region to a URL and is empty on AWS."""
        self._identifier = identifier
        self._profile = profile
        self._endpoints = endpoints
        self._clients: dict[str, Any] = {}

    def describe(self, at: str) -> GlobalDatabase:
        """What RDS of that Region says of all of it."""
        with _translated():
            answer = self._rds(at).describe_global_clusters(
                GlobalClusterIdentifier=self._identifier
            )
        [found] = answer["GlobalClusters"]
        members = [_member(each) for each in found["GlobalClusterMembers"]]
        return GlobalDatabase(found["Status"], tuple(sorted(members, key=lambda each: each.region)))

    def reader_of(self, member: Member) -> Endpoint:
        """Where that cluster's readers are, as RDS of its own Region says."""
        with _translated():
            answer = self._rds(member.region).describe_db_clusters(DBClusterIdentifier=member.arn)
        [found] = answer["DBClusters"]
        return Endpoint(found["ReaderEndpoint"], int(found["Port"]))

    def switch_over(self, target: Member, *, writer: str) -> None:
        """Begin to make it the writer, without loss. Asked for in the present writer's Region."""
        with _translated():
            self._rds(writer).switchover_global_cluster(
                GlobalClusterIdentifier=self._identifier, TargetDbClusterIdentifier=target.arn
            )

    def fail_over(self, target: Member) -> None:
        """Begin to make it the writer, and give up what it has not received. Asked for in its own Region."""
        with _translated():
            self._rds(target.region).failover_global_cluster(
                GlobalClusterIdentifier=self._identifier,
                TargetDbClusterIdentifier=target.arn,
                AllowDataLoss=True,
            )

    def _rds(self, region: str) -> Any:
        if region not in self._clients:
            session: Any = boto3.Session(profile_name=self._profile or None)
            # Few attempts: one that reached RDS and whose answer was lost is refused when it is repeated.
            config = Config(
                connect_timeout=2,
                read_timeout=20,
                retries={"mode": "standard", "total_max_attempts": 2},
            )
            self._clients[region] = session.client(
                "rds", region, endpoint_url=self._endpoints.get(region), config=config
            )
        return self._clients[region]


def _member(found: Mapping[str, Any]) -> Member:
    arn = found["DBClusterArn"]
    is_writer = bool(found["IsWriter"])
    # Absent on engines that do not report it: then nothing is known against it.
    status = found.get("SynchronizationStatus", "connected")
    return Member(arn.split(":")[3], arn, is_writer, is_writer or status == "connected")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        raise WriterMoveRefused(f"RDS refuses: {told['Code']}: {told['Message']}") from error
    except BotoCoreError as error:
        raise WriterMoveUnreachable(f"RDS does not answer: {type(error).__name__}.") from error
