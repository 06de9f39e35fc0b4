"""Parameter Store: behind the endpoint of each Region, with parameters of its own."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from sandbox.identities import TENANT_ACCOUNT
from sandbox.layout import ACCOUNT
from sandbox.outages import kms_admin
from tests.sandbox.callers import client_with
from tests.sandbox.kms_cast import refused
from tests.stack import Stack


def ssm(stack: Stack, region: str, profile: str = "gateway-admin") -> Any:
    session: Any = boto3.Session(profile_name=profile)
    return session.client(
        "ssm",
        region,
        endpoint_url=stack.kms_endpoint(region),
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def name() -> str:
    return f"/mrk-gateway/sandbox/tenants/{uuid4()}"


def test_a_parameter_is_found_in_its_own_region_alone(stack: Stack, name: str) -> None:
    east, west = (ssm(stack, region) for region in ("us-east-2", "us-west-1"))
    east.put_parameter(Name=name, Value="arn", Type="String")
    assert east.get_parameter(Name=name)["Parameter"]["Value"] == "arn"
    with refused("ParameterNotFound"):
        west.get_parameter(Name=name)


def test_who_may_only_use_keys_publishes_nothing(stack: Stack, name: str) -> None:
    with refused("AccessDeniedException", "ssm:PutParameter"):
        ssm(stack, "us-east-2", "gateway-use-us-east-2").put_parameter(
            Name=name, Value="arn", Type="String"
        )


def test_a_parameter_names_the_account_of_who_publishes_it(stack: Stack, name: str) -> None:
    client = ssm(stack, "us-east-2")
    client.put_parameter(Name=name, Value="arn", Type="String")
    arn = client.get_parameter(Name=name)["Parameter"]["ARN"]
    assert arn == f"arn:aws:ssm:us-east-2:{ACCOUNT}:parameter{name}"


def test_another_account_has_parameters_of_its_own(stack: Stack, name: str) -> None:
    ours = ssm(stack, "us-east-2")
    ours.put_parameter(Name=name, Value="ours", Type="String")
    theirs = client_with(stack, "ssm", TENANT_ACCOUNT, "ssm:*", "*")
    with refused("ParameterNotFound"):
        theirs.get_parameter(Name=name)
    theirs.put_parameter(Name=name, Value="theirs", Type="String")
    assert ours.get_parameter(Name=name)["Parameter"]["Value"] == "ours"


def test_a_policy_may_name_the_parameters_that_it_allows(stack: Stack, name: str) -> None:
    allowed = f"arn:aws:ssm:*:{ACCOUNT}:parameter{name}/*"
    client = client_with(stack, "ssm", ACCOUNT, "ssm:*", allowed)
    client.put_parameter(Name=f"{name}/one", Value="arn", Type="String")
    assert client.get_parameter(Name=f"{name}/one")["Parameter"]["Value"] == "arn"
    for other in (name, f"{name}-two"):
        with refused("AccessDeniedException", f"parameter{other}"):
            client.put_parameter(Name=other, Value="arn", Type="String")
    with refused("AccessDeniedException"):
        client.get_parameters(Names=[f"{name}/one", name])


def test_a_value_is_never_in_the_trail(stack: Stack, name: str) -> None:
    value = f"value-{uuid4()}"
    ssm(stack, "us-west-1").put_parameter(Name=name, Value=value, Type="String")
    text = (stack.home.path / "kms" / "trail" / "us-west-1.jsonl").read_text()
    assert '"eventName":"PutParameter"' in text
    assert value not in text


def test_a_region_that_is_down_takes_its_parameters_with_it(stack: Stack, name: str) -> None:
    orders = kms_admin(stack.ports)
    orders.post("regions/us-west-1", {"mode": "down"})
    try:
        with pytest.raises(EndpointConnectionError):
            ssm(stack, "us-west-1").put_parameter(Name=name, Value="arn", Type="String")
        ssm(stack, "us-east-2").put_parameter(Name=name, Value="arn", Type="String")
    finally:
        orders.post("regions/us-west-1", {"mode": "up"})


def test_one_operation_of_another_service_can_fail_alone(stack: Stack, name: str) -> None:
    orders = kms_admin(stack.ports)
    orders.post("regions/us-west-1", {"mode": "throttled", "operation": "PutParameter"})
    try:
        client = ssm(stack, "us-west-1")
        with refused("ThrottlingException", "Rate exceeded"):
            client.put_parameter(Name=name, Value="arn", Type="String")
        with refused("ParameterNotFound"):
            client.get_parameter(Name=name)
    finally:
        orders.post("regions/us-west-1", {"mode": "up"})
