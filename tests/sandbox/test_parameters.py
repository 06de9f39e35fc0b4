"""Parameter Store: one endpoint for all Regions, each with parameters of its own."""

from __future__ import annotations

from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.stack import Stack


def test_a_parameter_is_found_in_its_own_region_alone(stack: Stack) -> None:
    name = f"/test/{uuid4()}"
    session = boto3.Session(profile_name="gateway-admin")
    address = f"http://127.0.0.1:{stack.ports.parameters}"
    east, west = (
        session.client("ssm", region, endpoint_url=address) for region in ("us-east-2", "us-west-1")
    )
    east.put_parameter(Name=name, Value="arn", Type="String")
    assert east.get_parameter(Name=name)["Parameter"]["Value"] == "arn"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        west.get_parameter(Name=name)
