"""Requests that no client library would send: each is refused in the protocol, and none breaks the server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.kms_cast import HOME, IDENTITIES, Cast

OPERATIONS = (
    *(
        "CreateKey",
        "ReplicateKey",
        "Encrypt",
        "Decrypt",
        "GenerateDataKey",
        "ReEncrypt",
        "ListKeys",
    ),
    *(
        "CreateAlias",
        "TagResource",
        "PutKeyPolicy",
        "ScheduleKeyDeletion",
        "ListAliases",
        "GenerateRandom",
    ),
)
MEMBERS = (
    *(
        "KeyId",
        "Policy",
        "Tags",
        "Plaintext",
        "CiphertextBlob",
        "EncryptionContext",
        "Limit",
        "Marker",
    ),
    *(
        "NumberOfBytes",
        "KeySpec",
        "ReplicaRegion",
        "AliasName",
        "TargetKeyId",
        "MultiRegion",
        "DryRun",
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)


def send(cast: Cast, target: str, body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    request = AWSRequest(
        "POST",
        cast.stand_in.endpoints[HOME] + "/",
        data=body,
        headers={"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1", **headers},
    )
    secret = IDENTITIES["AKIAOPERATOR"]["secret"]
    SigV4Auth(Credentials("AKIAOPERATOR", secret), "kms", HOME).add_auth(request)
    session = URLLib3Session()
    answer = session.send(request.prepare())
    session.close()
    return answer.status_code, json.loads(answer.content or b"{}")


@given(st.sampled_from(OPERATIONS), st.dictionaries(st.sampled_from(MEMBERS), JSON) | JSON)
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_json_is_answered_or_refused(kms_cast: Cast, operation: str, body: Any) -> None:
    status, answer = send(kms_cast, f"TrentService.{operation}", json.dumps(body).encode())
    assert status == 200 or (status == 400 and answer["__type"] != "KMSInternalException"), answer


@pytest.mark.parametrize(
    "body", [b"x", b"[]", b"1", b'"x"', b"\xff", b'{"KeyId": 1}', b'{"KeyId": {}}']
)
def test_what_is_no_request_is_refused_as_such(kms_cast: Cast, body: bytes) -> None:
    status, answer = send(kms_cast, "TrentService.DescribeKey", body)
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_a_missing_member_is_named(kms_cast: Cast) -> None:
    status, answer = send(kms_cast, "TrentService.CreateAlias", b"{}")
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert answer["message"].startswith("2 validation errors detected: Value at 'aliasName'")


def test_a_value_is_never_repeated_in_a_refusal(kms_cast: Cast) -> None:
    body = json.dumps({"KeyId": "x" * 3000, "Plaintext": "c2VjcmV0" * 2000}).encode()
    status, answer = send(kms_cast, "TrentService.Encrypt", body)
    assert status == 400
    assert "c2VjcmV0" not in answer["message"]
    assert "xxxx" not in answer["message"]


@pytest.mark.parametrize(
    "target", ["", "TrentService", "TrentService.", "Other.Decrypt", "TrentService.NoSuch"]
)
def test_an_unknown_operation_is_refused(kms_cast: Cast, target: str) -> None:
    status, answer = send(kms_cast, target, b"{}")
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_members_that_the_api_does_not_have_are_left_out(kms_cast: Cast) -> None:
    status, _ = send(kms_cast, "TrentService.ListKeys", b'{"Secret": "hello", "Limit": null}')
    assert status == 200
    event = kms_cast.stand_in.events(HOME)[-1]
    assert (event["eventName"], event["requestParameters"]) == ("ListKeys", {})
