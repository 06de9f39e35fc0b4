"""Who calls KMS in these tests, and the key policies that they meet."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.kms import KmsStandIn
from tests.sandbox.kms_target import (
    ACCOUNT,
    EUROPE,
    HOME,
    ON_AWS,
    OTHER_ACCOUNT,
    REGIONS,
    ROOT,
    SETTLE_SECONDS,
    WEST,
    role,
    session,
)

__all__ = [
    "ACCOUNT",
    "ADMINISTERS",
    "EUROPE",
    "HOME",
    "IDENTITIES",
    "OTHER_ACCOUNT",
    "REGIONS",
    "ROOT",
    "WEST",
    "Cast",
    "document",
    "grant",
    "refused",
    "role",
    "session",
    "standing_in",
    "statement",
    "uses",
]

_ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def statement(
    principal: Any, actions: Any, effect: str = "Allow", **conditions: Any
) -> dict[str, Any]:
    """One statement of a key policy."""
    made = {"Effect": effect, "Principal": principal, "Action": actions, "Resource": "*"}
    return made | {"Condition": conditions} if conditions else made


def document(*statements: dict[str, Any]) -> str:
    """A policy document. On AWS every key policy lets the janitor delete the key, which is billed until then."""
    is_of_key = any("Principal" in item and "Resource" in item for item in statements)
    kept = [_JANITOR] if ON_AWS and is_of_key else []
    return json.dumps({"Version": "2012-10-17", "Statement": [*statements, *kept]})


_JANITOR = statement({"AWS": role("janitor")}, ["kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"])


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
        "arn": session(name, account),
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
    "AKIAJANITOR": _session("janitor", _ALLOW_ALL),
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
    """Clients of KMS and its neighbours for each of the cast: `cast.kms("operator", HOME)`.

    `credentials` are of those whom the stand-in's identities file does not name, and on AWS of everyone.
    """

    def __init__(
        self,
        stand_in: KmsStandIn | None,
        credentials: dict[str, dict[str, str]] | None = None,
    ) -> None:
        self._stand_in = stand_in
        self._credentials = dict(credentials or {})
        self._clients: dict[tuple[str, str, str], Any] = {}

    @property
    def stand_in(self) -> KmsStandIn:
        """The stand-in, for tests that administer it or read its files; they are skipped on AWS."""
        if self._stand_in is None:
            pytest.skip("AWS has no administration port, and its trail comes minutes later.")
        return self._stand_in

    def need_stand_in(self) -> None:
        """Skip on AWS a test of what only the stand-in says."""
        _ = self.stand_in

    def introduce(self, who: str, credentials: dict[str, str]) -> None:
        """Let another caller be known by that name."""
        self._credentials[who] = credentials
        for place in [place for place in self._clients if place[1] == who]:
            del self._clients[place]

    def client(self, service: str, who: str, region: str) -> Any:
        place = (service, who, region)
        if place not in self._clients:
            if who == "stranger" and self._stand_in is None and who not in self._credentials:
                pytest.skip("KMS_CONFORMANCE_OTHER_PROFILE names no second account.")
            boto_session: Any = (
                boto3.Session()
            )  # the stubs know each service by a literal name only
            self._clients[place] = boto_session.client(
                service,
                region_name=region,
                **self._credentials_of(who),
                endpoint_url=self._stand_in.endpoints[region] if self._stand_in else None,
                config=Config(
                    retries={"total_max_attempts": 1 if self._stand_in else 8},
                    connect_timeout=2,
                    read_timeout=10,
                ),
            )
        return self._clients[place]

    def _credentials_of(self, who: str) -> dict[str, str]:
        if who in self._credentials:
            return self._credentials[who]
        access_key = f"AKIA{who.upper()}"
        return {
            "aws_access_key_id": access_key,
            "aws_secret_access_key": IDENTITIES[access_key]["secret"],
        }

    def kms(self, who: str, region: str = HOME) -> Any:
        return self.client("kms", who, region)

    def key(self, **arguments: Any) -> str:
        """A fresh multi-Region key of the operator's; its ARN at home."""
        answer = self.kms("operator").create_key(**{"MultiRegion": True, **arguments})
        return str(answer["KeyMetadata"]["Arn"])

    def replica(self, arn: str, region: str, *, who: str = "operator", **arguments: Any) -> str:
        """A replica in that Region, on AWS once it is ready for use; its ARN."""
        answer = self.kms(who).replicate_key(KeyId=arn, ReplicaRegion=region, **arguments)
        replica = str(answer["ReplicaKeyMetadata"]["Arn"])
        self.wait_for(replica, who)
        return replica

    def wait_for(self, arn: str, who: str = "operator") -> None:
        """Wait on AWS until a replica is no longer being made. The stand-in needs no time, or is told its time."""
        client = self.kms(who, arn.split(":")[3])
        while ON_AWS and client.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Creating":
            time.sleep(1)

    def state(self, arn: str) -> str:
        """The key state, in the Region of the ARN."""
        client = self.kms("operator", arn.split(":")[3])
        return str(client.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"])

    def put_policy(self, arn: str, *statements: dict[str, Any]) -> None:
        """Another policy for the key in the Region of its ARN."""
        self.kms("operator", arn.split(":")[3]).put_key_policy(
            KeyId=arn, Policy=document(*statements), BypassPolicyLockoutSafetyCheck=True
        )
        self.settle()

    def settle(self) -> None:
        """Wait until a change counts everywhere: at once here, in a while on AWS."""
        time.sleep(SETTLE_SECONDS)


def grant(
    cast: Cast, arn: str, *operations: str, to: str = "nobody", **more: Any
) -> dict[str, Any]:
    """A grant by the operator to a role of the cast."""
    client = cast.kms("operator", arn.split(":")[3])
    made = client.create_grant(
        KeyId=arn, GranteePrincipal=role(to), Operations=list(operations), **more
    )
    cast.settle()
    return dict(made)


@contextmanager
def standing_in(directory: Path, **settings: Any) -> Iterator[Cast]:
    """A stand-in of one's own."""
    if ON_AWS:
        pytest.skip("This test starts a stand-in of its own.")
    identities = directory / "identities.json"
    identities.write_text(json.dumps(IDENTITIES))
    with KmsStandIn.running(directory / "state", identities, REGIONS, **settings) as stand_in:
        yield Cast(stand_in)


@contextmanager
def refused(code: str, text: str = "") -> Iterator[None]:
    """The block must be refused by AWS with this code, and with this text in the message."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    # The texts of AWS change, its codes do not.
    assert ON_AWS or text in error["Message"], error
