"""The roles of the tests, made and deleted by the calls of IAM and STS: for AWS, and shown to work on the stand-in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from tests.sandbox.kms_cast import Cast
from tests.sandbox.kms_target import HOME, PREFIX, role

_POLICY = "kms-conformance"


def make_role(iam: Any, name: str, entry: Mapping[str, Any], *, assumed_by: str) -> str:
    """The role of an entry of the identities file, which `assumed_by` may assume; its ARN."""
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": assumed_by},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    made = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        Tags=[{"Key": key, "Value": value} for key, value in entry.get("tags", {}).items()],
    )
    if "policy" in entry:
        iam.put_role_policy(
            RoleName=name,
            PolicyName=_POLICY,
            PolicyDocument=json.dumps(entry["policy"]),
        )
    return str(made["Role"]["Arn"])


def delete_role(iam: Any, name: str) -> None:
    """Delete the role with its policies."""
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def assume(sts: Any, arn: str, *, patience: float = 0.0, **arguments: Any) -> dict[str, str]:
    """Credentials of a session `test` of the role, as arguments of a client.

    `patience`: seconds to wait until AWS knows a role that was made just now.
    """
    end = time.monotonic() + patience
    while True:
        try:
            given = sts.assume_role(RoleArn=arn, RoleSessionName="test", **arguments)["Credentials"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied" or time.monotonic() >= end:
                raise
            time.sleep(1)
        else:
            return {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }


def fresh_role(cast: Cast, *allowed: dict[str, Any], trust: str = "", **tags: str) -> str:
    """A role that the operator may assume, unless `trust` says otherwise; its name without the prefix."""
    name = f"made-{uuid4().hex[:12]}"
    iam = cast.client("iam", "operator", HOME)
    entry: dict[str, Any] = {"tags": tags}
    if allowed:
        entry["policy"] = {"Version": "2012-10-17", "Statement": list(allowed)}
    make_role(iam, PREFIX + name, entry, assumed_by=role("operator"))
    if trust:
        iam.update_assume_role_policy(RoleName=PREFIX + name, PolicyDocument=trust)
    cast.settle()
    return name


def become(cast: Cast, name: str, *, by: str = "operator", **arguments: Any) -> str:
    """Assume the role; the session is one of the cast from then on."""
    who = f"{name}-{uuid4().hex[:6]}"
    cast.introduce(who, assume(cast.client("sts", by, HOME), role(name), **arguments))
    return who
