"""Who calls the KMS stand-in in these tests, and the key policies that they meet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.kms import KmsStandIn

HOME, WEST, EUROPE = REGIONS = ("us-east-2", "us-west-1", "eu-west-1")
ACCOUNT = "111122223333"
OTHER_ACCOUNT = "444455556666"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"

_ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def role(name: str, account: str = ACCOUNT) -> str:
    """The ARN of a role."""
    return f"arn:aws:iam::{account}:role/{name}"


def statement(
    principal: Any, actions: Any, effect: str = "Allow", **conditions: Any
) -> dict[str, Any]:
    """One statement of a key policy."""
    made = {"Effect": effect, "Principal": principal, "Action": actions, "Resource": "*"}
    return made | {"Condition": conditions} if conditions else made


def document(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


ADMINISTERS = statement(
    {"AWS": role("mrk-gateway-admin")},
    [
        "kms:Describe*",
        "kms:Get*",
        "kms:Put*",
        "kms:List*",
        "kms:*Alias",
        "kms:*Resource",
        "kms:ReplicateKey",
    ],
)


def uses(region: str, **conditions: Any) -> dict[str, Any]:
    """The statement that lets a Region's use role make and open data keys."""
    return statement(
        {"AWS": role(f"mrk-gateway-use-{region}")},
        ["kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey"],
        **conditions,
    )


def _session(
    name: str, *statements: dict[str, Any], account: str = ACCOUNT, **more: Any
) -> dict[str, Any]:
    made = {
        # Each its own: the access key id is no part of what a signature covers.
        "secret": f"the secret of {name} in {account}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{name}/test",
        "account": account,
        **more,
    }
    return (
        made | {"policy": {"Version": "2012-10-17", "Statement": list(statements)}}
        if statements
        else made
    )


IDENTITIES = {
    "AKIAOPERATOR": _session("operator", _ALLOW_ALL),
    "AKIAADMIN": _session("mrk-gateway-admin", _ALLOW_ALL),
    "AKIAAUDIT": _session("mrk-gateway-audit", _ALLOW_ALL | {"Action": "cloudtrail:LookupEvents"}),
    "AKIANOBODY": _session("nobody"),
    "AKIASTRANGER": _session("stranger", _ALLOW_ALL, account=OTHER_ACCOUNT),
    "AKIATAGGED": _session("tagged", _ALLOW_ALL, tags={"tenant": "acme"}),
    "AKIATAGGER": _session(
        "tagger",
        _ALLOW_ALL
        | {
            "Action": ["kms:CreateKey", "kms:TagResource"],
            "Condition": {
                "StringEquals": {"aws:RequestTag/team": "gateway"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "tenant"]},
            },
        },
    ),
    "AKIATOKEN": _session("token", _ALLOW_ALL, session_token="a-session-token"),
    **{
        f"AKIAUSE{region.upper()}": _session(
            f"mrk-gateway-use-{region}",
            _ALLOW_ALL | {"Action": ["kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey"]},
        )
        for region in REGIONS
    },
}


class Cast:
    """A running stand-in and clients of it: `cast.kms("operator", HOME)`."""

    def __init__(self, stand_in: KmsStandIn) -> None:
        self.stand_in = stand_in
        self._clients: dict[tuple[str, str, str], Any] = {}

    def client(self, service: str, who: str, region: str) -> Any:
        place = (service, who, region)
        access_key = f"AKIA{who.upper()}"
        if place not in self._clients:
            session: Any = boto3.Session()  # the stubs know each service by a literal name only
            self._clients[place] = session.client(
                service,
                region_name=region,
                endpoint_url=self.stand_in.endpoints[region],
                aws_access_key_id=access_key,
                aws_secret_access_key=IDENTITIES[access_key]["secret"],
                config=Config(
                    retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10
                ),
            )
        return self._clients[place]

    def kms(self, who: str, region: str = HOME) -> Any:
        return self.client("kms", who, region)

    def key(self, **arguments: Any) -> str:
        """A fresh multi-Region key of the operator's; its ARN at home."""
        answer = self.kms("operator").create_key(**{"MultiRegion": True, **arguments})
        return str(answer["KeyMetadata"]["Arn"])

    def replica(self, arn: str, region: str, **arguments: Any) -> str:
        """A replica of the operator's key in that Region; its ARN."""
        answer = self.kms("operator").replicate_key(KeyId=arn, ReplicaRegion=region, **arguments)
        return str(answer["ReplicaKeyMetadata"]["Arn"])

    def put_policy(self, arn: str, *statements: dict[str, Any]) -> None:
        """Another policy for the key in the Region of its ARN."""
        self.kms("operator", arn.split(":")[3]).put_key_policy(
            KeyId=arn, Policy=document(*statements), BypassPolicyLockoutSafetyCheck=True
        )


@contextmanager
def standing_in(directory: Path, **settings: Any) -> Iterator[Cast]:
    """A stand-in of one's own."""
    identities = directory / "identities.json"
    identities.write_text(json.dumps(IDENTITIES))
    with KmsStandIn.running(directory / "state", identities, REGIONS, **settings) as stand_in:
        yield Cast(stand_in)


@contextmanager
def refused(code: str, text: str = "") -> Iterator[None]:
    """The block must be refused by KMS with this code, and with this text in the message."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert text in error["Message"], error
