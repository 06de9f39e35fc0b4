"""Requests for services elsewhere: which resources they are about, and whose they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.kms.errors import Refusal
from sandbox.kms.forwarded import resources_of
from tests.sandbox.kms_cast import ACCOUNT, HOME

CALL: Any = SimpleNamespace(region=HOME, account=ACCOUNT)
PARAMETER = f"arn:aws:ssm:{HOME}:{ACCOUNT}:parameter"
CLUSTER = f"arn:aws:rds:{HOME}:{ACCOUNT}:cluster"
GLOBAL = f"arn:aws:rds::{ACCOUNT}:global-cluster"
AWAY = f"arn:aws:rds:eu-west-1:{ACCOUNT}:cluster:c-eu"


@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        ("GetParameter", '{"Name": "/a/b"}', [f"{PARAMETER}/a/b"]),
        ("GetParameter", '{"Name": "plain"}', [f"{PARAMETER}/plain"]),
        ("GetParameter", '{"Name": "/a/b:3"}', [f"{PARAMETER}/a/b"]),
        ("GetParameter", f'{{"Name": "{PARAMETER}/x"}}', [f"{PARAMETER}/x"]),
        ("GetParameters", '{"Names": ["/a", "b"]}', [f"{PARAMETER}/a", f"{PARAMETER}/b"]),
        ("GetParametersByPath", '{"Path": "/a/"}', [f"{PARAMETER}/a"]),
        ("PutParameter", '{"Name": "/a", "Value": "v"}', [f"{PARAMETER}/a"]),
        ("DescribeParameters", "", ["*"]),
    ],
)
def test_a_request_for_a_parameter_is_about_that_parameter(
    operation: str, body: str, expected: list[str]
) -> None:
    assert resources_of("ssm", operation, CALL, body.encode()) == expected


@pytest.mark.parametrize("body", ["x", "[]", '{"Name": 1}', '{"Names": "a", "Path": []}'])
def test_a_request_whose_parameter_cannot_be_told_is_refused(body: str) -> None:
    with pytest.raises(Refusal, match="SerializationException"):
        resources_of("ssm", "GetParameter", CALL, body.encode())


@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        ("DescribeGlobalClusters", "", [f"{GLOBAL}:*"]),
        ("DescribeGlobalClusters", "GlobalClusterIdentifier=g", [f"{GLOBAL}:g"]),
        ("DescribeDBClusters", "", [f"{CLUSTER}:*"]),
        ("DescribeDBClusters", "DBClusterIdentifier=c-us", [f"{CLUSTER}:c-us"]),
        (
            "FailoverGlobalCluster",
            f"GlobalClusterIdentifier=g&TargetDbClusterIdentifier={AWAY}",
            [f"{GLOBAL}:g", AWAY],
        ),
    ],
)
def test_a_request_for_a_cluster_is_about_that_cluster(
    operation: str, body: str, expected: list[str]
) -> None:
    assert resources_of("rds", operation, CALL, body.encode()) == expected


def test_of_another_service_nothing_is_known() -> None:
    assert resources_of("s3", "GetObject", CALL, b"{}") == ["*"]
