"""The operations, as functions of parameters and the Region that was asked.

Source: Amazon RDS API Reference, each operation. AWS takes SwitchoverGlobalCluster and FailoverGlobalCluster in the
Region of either cluster; here any Region takes them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from typing import Any

from sandbox.kms.errors import Refusal
from sandbox.layout import GLOBAL_CLUSTER, REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.binaries import find_binaries
from sandbox.postgres.failover import running
from sandbox.postgres.writer import find_writer
from sandbox.rds.change import Changes, ChangeUnderWay
from sandbox.rds.description import (
    cluster_id,
    describe_cluster,
    describe_global_cluster,
    find_region,
)
from sandbox.readiness import streams

Answer = dict[str, Any]


class Databases:
    """The databases of one sandbox, as RDS shows and moves them."""

    def __init__(self, home: Home, ports: Ports, changes: Changes) -> None:
        """`changes` carries out what is asked for."""
        self._home, self._ports, self._changes = home, ports, changes
        self._version = _server_version(home)
        self.operations: dict[str, Callable[[Answer, str], Answer]] = {
            "DescribeGlobalClusters": self._describe_global_clusters,
            "DescribeDBClusters": self._describe_clusters,
            "SwitchoverGlobalCluster": self._switch_over,
            "FailoverGlobalCluster": self._fail_over,
        }

    def _describe_global_clusters(self, wanted: Answer, _region: str) -> Answer:
        _refuse_filters(wanted)
        _check_global_cluster(wanted.get("GlobalClusterIdentifier", GLOBAL_CLUSTER))
        return {"GlobalClusters": [self._global_cluster()]}

    def _describe_clusters(self, wanted: Answer, region: str) -> Answer:
        _refuse_filters(wanted)
        identifier = wanted.get("DBClusterIdentifier", cluster_id(region))
        if find_region(identifier, at=region) != region:
            raise _cluster_not_found(identifier)
        found = describe_cluster(
            self._home, self._ports, region, self._version, self._changes.current
        )
        return {"DBClusters": [found]}

    def _switch_over(self, wanted: Answer, region: str) -> Answer:
        target = self._target(wanted, region)
        if not streams(self._home, self._ports, target):
            raise _wrong_state(f"{cluster_id(target)} does not replicate from the primary cluster.")
        return self._begin(target, loses_data=False)

    def _fail_over(self, wanted: Answer, region: str) -> Answer:
        if wanted.get("AllowDataLoss") and wanted.get("Switchover"):
            message = "AllowDataLoss and Switchover cannot be specified together."
            raise Refusal("InvalidParameterCombination", message)
        if not wanted.get("AllowDataLoss"):
            return self._switch_over(wanted, region)
        target = self._target(wanted, region)
        if target not in running(self._home):
            raise _wrong_state(f"{cluster_id(target)} is not available.")
        return self._begin(target, loses_data=True)

    def _begin(self, target: str, *, loses_data: bool) -> Answer:
        try:
            self._changes.begin(find_writer(self._home), target, loses_data=loses_data)
        except ChangeUnderWay:
            message = "A switchover or failover of the global cluster is under way."
            raise Refusal("InvalidGlobalClusterStateFault", message) from None
        return {"GlobalCluster": self._global_cluster()}

    def _target(self, wanted: Answer, region: str) -> str:
        """The Region of a secondary cluster."""
        _check_global_cluster(wanted["GlobalClusterIdentifier"])
        identifier = wanted["TargetDbClusterIdentifier"]
        target = find_region(identifier, at=region)
        if target is None:
            raise _cluster_not_found(identifier)
        if target == find_writer(self._home):
            raise _wrong_state(f"{identifier} is the primary cluster already.")
        return target

    def _global_cluster(self) -> Answer:
        return describe_global_cluster(
            self._home, self._ports, self._version, self._changes.current
        )


def _server_version(home: Home) -> str:
    shown = subprocess.run(
        [find_binaries(home) / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    found = re.search(r"[\d.]+", shown.stdout)
    return found[0] if found else ""


def _check_global_cluster(identifier: str) -> None:
    if identifier != GLOBAL_CLUSTER:
        message = f"Global cluster {identifier} not found"
        raise Refusal("GlobalClusterNotFoundFault", message, 404)


def _refuse_filters(wanted: Answer) -> None:
    if wanted.get("Filters"):
        raise Refusal("InvalidParameterValue", "Filters are not supported here.")


def _cluster_not_found(identifier: str) -> Refusal:
    message = f"DBCluster {identifier} not found. The Regions are {', '.join(REGIONS)}."
    return Refusal("DBClusterNotFoundFault", message, 404)


def _wrong_state(message: str) -> Refusal:
    return Refusal("InvalidDBClusterStateFault", message)
