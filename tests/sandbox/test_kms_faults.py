"""A Region that is down or throttled, and who may switch it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import EndpointConnectionError
from botocore.httpsession import URLLib3Session

from tests.sandbox.kms_cast import HOME, IDENTITIES, WEST, Cast, refused, standing_in


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    """A stand-in of the test's own, since it breaks it."""
    with standing_in(tmp_path, transition_seconds=0) as cast:
        yield cast


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


def test_nothing_is_replicated_into_a_dark_region(cast: Cast) -> None:
    arn = cast.key()
    cast.stand_in.set_mode(WEST, "down")
    with refused("KMSInternalException"):
        cast.replica(arn, WEST)
    cast.stand_in.set_mode(WEST, "up")
    cast.replica(arn, WEST)


def test_a_throttled_region_says_so_and_records_it(cast: Cast) -> None:
    arn = cast.key()
    cast.stand_in.set_mode(HOME, "throttled")
    with refused("ThrottlingException", "Rate exceeded"):
        cast.kms("operator").generate_data_key(KeyId=arn, KeySpec="AES_256")
    assert cast.stand_in.events(HOME)[-1]["errorCode"] == "ThrottlingException"
    assert "Keys" in cast.kms("operator", WEST).list_keys()
    cast.stand_in.set_mode(HOME, "up")
    cast.kms("operator").generate_data_key(KeyId=arn, KeySpec="AES_256")


def test_identities_are_read_again_when_asked(cast: Cast, tmp_path: Path) -> None:
    file = tmp_path / "identities.json"
    fewer = {key: entry for key, entry in IDENTITIES.items() if key != "AKIANOBODY"}
    file.write_text(json.dumps(fewer))
    cast.stand_in.reload_identities()
    with refused("UnrecognizedClientException"):
        cast.client("sts", "nobody", HOME).get_caller_identity()
    file.write_text("no JSON")
    with pytest.raises(HTTPError, match="400"):
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


def test_the_administration_port_refuses_what_it_does_not_know(cast: Cast) -> None:
    admin = cast.stand_in.admin
    assert ask("POST", f"{admin}/regions/{HOME}", b'{"mode": "down"}', "text/plain")[0] == 415
    assert ask("POST", f"{admin}/regions/{HOME}", b'{"mode": "sideways"}')[0] == 400
    assert ask("POST", f"{admin}/regions/nowhere", b'{"mode": "down"}')[0] == 400
    assert ask("POST", f"{admin}/regions/{HOME}", b"{}")[0] == 400
    assert ask("POST", f"{admin}/regions/{HOME}", b"[]")[0] == 400
    assert ask("POST", f"{admin}/regions/{HOME}", b"x")[0] == 400
    assert ask("POST", f"{admin}/clock", b'{"advance_seconds": -1}')[0] == 400
    assert ask("POST", f"{admin}/other", b"{}")[0] == 404
    status = json.loads(ask("GET", f"{admin}/status")[1])
    assert status["regions"][HOME] == {"endpoint": cast.stand_in.endpoints[HOME], "mode": "up"}
