"""A Region that misbehaves: down, silent, slow, throttled, failing, without key material; and who may switch it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from sandbox.kms.remote import Refused
from tests.sandbox.kms_cast import ACCOUNT, HOME, IDENTITIES, WEST, Cast, refused, standing_in


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in of this module's own, since it breaks it."""
    with standing_in(tmp_path_factory.mktemp("faults"), transition_seconds=0) as cast:
        yield cast


@pytest.fixture
def cast(shared: Cast) -> Iterator[Cast]:
    """The same, whole again after each test."""
    yield shared
    for region in shared.stand_in.endpoints:
        shared.stand_in.set_mode(region, "up")
    shared.stand_in.switch_quotas(on=False)


def client_with(cast: Cast, config: Config) -> Any:
    """The operator's client at home, configured otherwise than the cast's."""
    session: Any = boto3.Session()
    return session.client(
        "kms",
        HOME,
        endpoint_url=cast.stand_in.endpoints[HOME],
        aws_access_key_id="AKIAOPERATOR",
        aws_secret_access_key=IDENTITIES["AKIAOPERATOR"]["secret"],
        config=config,
    )


def impatient(cast: Cast) -> Any:
    """A client that gives up soon."""
    return client_with(cast, Config(retries={"total_max_attempts": 1}, read_timeout=0.5))


def last_event(cast: Cast, name: str, region: str = HOME) -> dict[str, Any] | None:
    events = reversed(cast.stand_in.events(region))
    return next((event for event in events if event["eventName"] == name), None)


def faults_of(cast: Cast, region: str = HOME) -> list[dict[str, Any]]:
    status = json.loads(ask("GET", f"{cast.stand_in.admin}/status")[1])
    shown: list[dict[str, Any]] = status["regions"][region]["faults"]
    return shown


def test_a_dark_region_refuses_connections_while_another_opens_its_data_keys(cast: Cast) -> None:
    arn = cast.key()
    cast.replica(arn, WEST)
    home, west = cast.kms("operator"), cast.kms("operator", WEST)
    made = home.generate_data_key(KeyId=arn, KeySpec="AES_256")
    cast.stand_in.set_mode(HOME, "down")
    for _ in range(3):
        with pytest.raises(EndpointConnectionError):
            home.decrypt(CiphertextBlob=made["CiphertextBlob"])
    assert west.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    cast.stand_in.set_mode(HOME, "up")
    assert home.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]


@pytest.mark.parametrize("mode", ["down", "blackhole"])
def test_nothing_is_replicated_into_a_region_that_cannot_be_reached(cast: Cast, mode: str) -> None:
    arn = cast.key()
    cast.stand_in.set_mode(WEST, mode)
    with refused("KMSInternalException"):
        cast.replica(arn, WEST)
    cast.stand_in.set_mode(WEST, "up")
    cast.replica(arn, WEST)


def test_a_silent_region_accepts_and_never_answers_and_leaves_no_trace(cast: Cast) -> None:
    arn = cast.key()
    client = impatient(cast)
    cast.stand_in.set_mode(HOME, "blackhole")
    with pytest.raises(ReadTimeoutError):
        client.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"silent": "yes"})
    assert "Keys" in cast.kms("operator", WEST).list_keys()
    cast.stand_in.set_mode(HOME, "up")
    client.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"silent": "no"})
    contexts = [
        event["requestParameters"]["encryptionContext"]
        for event in cast.stand_in.events(HOME)
        if event["eventName"] == "Encrypt"
    ]
    assert {"silent": "no"} in contexts
    assert {"silent": "yes"} not in contexts


def test_who_waits_in_silence_is_cut_off_when_the_region_heals(cast: Cast) -> None:
    """No connection is held for ever: not by a fault that is over, nor beyond a minute by one that is not."""
    cast.stand_in.set_mode(HOME, "blackhole", operation="ListKeys", seconds=0.3)
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        cast.kms("operator").list_keys()
    assert faults_of(cast) == []
    assert "Keys" in cast.kms("operator").list_keys()


def test_a_slow_operation_takes_the_time_of_its_distribution_and_others_none(cast: Cast) -> None:
    cast.stand_in.set_mode(HOME, "slow", operation="ListKeys", median=5, p99=5)
    with pytest.raises(ReadTimeoutError):
        impatient(cast).list_keys()
    impatient(cast).list_aliases()
    cast.stand_in.set_mode(HOME, "slow", operation="ListKeys", median=0.05, p99=0.05)
    began = time.monotonic()
    cast.kms("operator").list_keys()
    assert time.monotonic() - began >= 0.05


def test_a_throttled_region_says_so_and_records_it(cast: Cast) -> None:
    arn = cast.key()
    cast.stand_in.set_mode(HOME, "throttled")
    with refused("ThrottlingException", "exceeded the rate at which you may call KMS"):
        cast.kms("operator").generate_data_key(KeyId=arn, KeySpec="AES_256")
    assert cast.stand_in.events(HOME)[-1]["errorCode"] == "ThrottlingException"
    assert "Keys" in cast.kms("operator", WEST).list_keys()
    assert cast.client("sts", "operator", HOME).get_caller_identity()["Account"] == ACCOUNT
    cast.stand_in.set_mode(HOME, "up")
    cast.kms("operator").generate_data_key(KeyId=arn, KeySpec="AES_256")


def test_half_of_the_requests_fail_and_standard_retries_get_through(cast: Cast) -> None:
    cast.stand_in.set_mode(HOME, "errors", share=0.5, code="DependencyTimeoutException")
    answers = set()
    for _ in range(60):
        try:
            answer = cast.kms("operator").list_keys()
        except ClientError as error:
            answer = error.response
        answers.add(answer["ResponseMetadata"]["HTTPStatusCode"])
    assert answers == {200, 503}
    client = client_with(cast, Config(retries={"mode": "standard", "total_max_attempts": 12}))
    assert "Keys" in client.list_keys()


def test_an_answer_that_is_lost_leaves_the_key_that_was_made(cast: Cast) -> None:
    """CreateKey has no idempotency token: after a lost answer, only a search finds the key."""
    cast.stand_in.set_mode(HOME, "errors", operation="CreateKey", late=True)
    tags = [{"TagKey": "operation", "TagValue": "lost-answer"}]
    with refused("KMSInternalException"):
        cast.kms("operator").create_key(MultiRegion=True, Tags=tags)
    event = last_event(cast, "CreateKey")
    assert event is not None
    assert "errorCode" not in event
    client = cast.client("resourcegroupstaggingapi", "operator", HOME)
    matches = client.get_resources(TagFilters=[{"Key": "operation", "Values": ["lost-answer"]}])
    assert [item["ResourceARN"] for item in matches["ResourceTagMappingList"]] == [
        event["resources"][0]["ARN"]
    ]


def test_a_black_hole_may_swallow_the_answer_alone(cast: Cast) -> None:
    arn = cast.key()
    cast.stand_in.set_mode(HOME, "blackhole", operation="DisableKey", late=True)
    with pytest.raises(ReadTimeoutError):
        impatient(cast).disable_key(KeyId=arn)
    assert cast.kms("operator").describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Disabled"


def test_without_its_material_a_key_is_described_and_not_used(cast: Cast) -> None:
    arn = cast.key()
    replica = cast.replica(arn, WEST)
    client = cast.kms("operator")
    sealed = client.encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    cast.stand_in.set_mode(HOME, "material-outage")
    with pytest.raises(client.exceptions.KeyUnavailableException) as caught:
        client.decrypt(CiphertextBlob=sealed)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    with pytest.raises(client.exceptions.KeyUnavailableException):
        client.generate_data_key(KeyId=arn, KeySpec="AES_256")
    with refused("AccessDeniedException"):  # who may not, learns no more than ever
        cast.kms("nobody").generate_data_key(KeyId=arn, KeySpec="AES_256")
    assert client.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"
    assert len(client.generate_random(NumberOfBytes=8)["Plaintext"]) == 8
    event = last_event(cast, "Decrypt")
    assert event is not None
    assert event["errorCode"] == "KeyUnavailableException"
    assert "additionalEventData" not in event
    opened = cast.kms("operator", WEST).decrypt(CiphertextBlob=sealed, KeyId=replica)
    assert opened["Plaintext"] == b"x"


def test_several_faults_of_a_region_are_shown_and_healed_by_operation(cast: Cast) -> None:
    cast.stand_in.set_mode(HOME, "slow", operation="Decrypt", median=0.01, p99=0.02)
    cast.stand_in.set_mode(HOME, "errors", operation="Decrypt", share=0.1)
    cast.stand_in.set_mode(HOME, "throttled", operation="CreateKey")
    assert faults_of(cast) == [
        {"mode": "slow", "operation": "Decrypt", "median": 0.01, "p99": 0.02},
        {"mode": "errors", "operation": "Decrypt", "share": 0.1},
        {"mode": "throttled", "operation": "CreateKey"},
    ]
    assert faults_of(cast, WEST) == []
    cast.stand_in.set_mode(HOME, "up", operation="Decrypt")
    assert faults_of(cast) == [{"mode": "throttled", "operation": "CreateKey"}]
    cast.stand_in.set_mode(HOME, "up")
    assert faults_of(cast) == []


def test_a_region_that_is_down_for_a_while_comes_back_by_itself(cast: Cast) -> None:
    cast.stand_in.set_mode(HOME, "down", seconds=0.3)
    with pytest.raises(EndpointConnectionError):
        cast.kms("operator").list_keys()
    deadline = time.monotonic() + 10
    while faults_of(cast) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "Keys" in cast.kms("operator").list_keys()


def test_identities_are_read_again_when_asked(tmp_path: Path) -> None:
    with standing_in(tmp_path, transition_seconds=0) as cast:
        file = tmp_path / "identities.json"
        fewer = {key: entry for key, entry in IDENTITIES.items() if key != "AKIANOBODY"}
        file.write_text(json.dumps(fewer))
        cast.stand_in.reload_identities()
        with refused("InvalidClientTokenId"):
            cast.client("sts", "nobody", HOME).get_caller_identity()
        file.write_text("no JSON")
        with pytest.raises(Refused, match="no identities file"):
            cast.stand_in.reload_identities()
        assert "Keys" in cast.kms("operator").list_keys()


def ask(
    method: str, url: str, body: bytes = b"", kind: str = "application/json"
) -> tuple[int, str]:
    session = URLLib3Session()
    request = AWSRequest(method, url, data=body, headers={"Content-Type": kind})
    answer = session.send(request.prepare())
    session.close()
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"mode": "sideways"},
        {},
        [],
        {"mode": "down", "operation": "Decrypt"},
        {"mode": "down", "share": 0.5},
        {"mode": "errors", "operation": "Decypt"},
        {"mode": "errors", "share": 0},
        {"mode": "errors", "share": 2},
        {"mode": "errors", "share": "all"},
        {"mode": "errors", "code": "Teapot"},
        {"mode": "slow", "median": 2, "p99": 1},
        {"mode": "slow", "median": 1, "p99": 3600},
        {"mode": "slow", "late": True},
        {"mode": "slow", "seconds": 10_000_000},
        {"mode": "material-outage", "operation": "DescribeKey"},
        {"mode": "errors", "colour": "red"},
    ],
)
def test_a_fault_without_bounds_or_sense_is_refused(cast: Cast, body: Any) -> None:
    url = f"{cast.stand_in.admin}/regions/{HOME}"
    assert ask("POST", url, json.dumps(body).encode())[0] == 400
    assert faults_of(cast) == []


def test_the_administration_port_refuses_what_it_does_not_know(cast: Cast) -> None:
    admin = cast.stand_in.admin
    assert ask("POST", f"{admin}/regions/{HOME}", b'{"mode": "down"}', "text/plain")[0] == 415
    assert ask("POST", f"{admin}/regions/nowhere", b'{"mode": "down"}')[0] == 400
    assert ask("POST", f"{admin}/regions/{HOME}", b"x")[0] == 400
    assert ask("POST", f"{admin}/clock", b'{"advance_seconds": -1}')[0] == 400
    assert ask("POST", f"{admin}/clock", b'{"advance_seconds": NaN}')[0] == 400
    assert ask("POST", f"{admin}/clock", b'{"advance_seconds": 1e12}')[0] == 400
    assert ask("POST", f"{admin}/quotas", b'{"on": "no"}')[0] == 400
    assert ask("POST", f"{admin}/quotas", b'{"on": true, "scale": 0}')[0] == 400
    assert ask("POST", f"{admin}/other", b"{}")[0] == 404
    status = json.loads(ask("GET", f"{admin}/status")[1])
    assert status["regions"][HOME] == {"endpoint": cast.stand_in.endpoints[HOME], "faults": []}
    assert status["quotas"] == {"on": False, "scale": 1.0, "refused": {}}
    assert status["ahead_seconds"] == 0
