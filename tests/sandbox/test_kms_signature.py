"""Who signed a request, for which Region, and whether truly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from sandbox.kms.errors import Refusal
from sandbox.kms.signature import parse_signature
from tests.sandbox.kms_cast import ACCOUNT, HOME, IDENTITIES, WEST, Cast, refused, standing_in


def client(cast: Cast, region: str = HOME, endpoint: str = HOME, **arguments: Any) -> Any:
    access_key = arguments.get("aws_access_key_id", "AKIAOPERATOR")
    secret = IDENTITIES.get(access_key, IDENTITIES["AKIAOPERATOR"])["secret"]
    defaults = {"aws_access_key_id": access_key, "aws_secret_access_key": secret}
    return boto3.Session().client(
        "kms",
        region_name=region,
        endpoint_url=cast.stand_in.endpoints[endpoint],
        **{"config": Config(retries={"total_max_attempts": 1}), **defaults, **arguments},
    )


def test_a_wrong_secret_is_refused(kms_cast: Cast) -> None:
    with refused("InvalidSignatureException", "does not match"):
        client(kms_cast, aws_secret_access_key="w" * 40).list_keys()


def test_an_unknown_access_key_is_refused(kms_cast: Cast) -> None:
    with refused("UnrecognizedClientException"):
        client(kms_cast, aws_access_key_id="AKIAUNKNOWN").list_keys()


def test_a_request_signed_for_another_region_is_refused(kms_cast: Cast) -> None:
    with refused("InvalidSignatureException", "valid region"):
        client(kms_cast, region=WEST, endpoint=HOME).list_keys()


def test_a_request_without_a_signature_is_refused(kms_cast: Cast) -> None:
    with refused("MissingAuthenticationTokenException"):
        client(kms_cast, config=Config(signature_version=UNSIGNED)).list_keys()


def test_a_session_needs_its_token_and_no_other(kms_cast: Cast) -> None:
    for given in ({}, {"aws_session_token": "another"}):
        with refused("UnrecognizedClientException"):
            client(kms_cast, aws_access_key_id="AKIATOKEN", **given).list_keys()
    with_token = client(
        kms_cast, aws_access_key_id="AKIATOKEN", aws_session_token="a-session-token"
    )
    assert "Keys" in with_token.list_keys()


def test_with_verification_switched_off_only_the_name_counts(tmp_path: Path) -> None:
    with standing_in(tmp_path, verify_signatures=False) as cast:
        assert "Keys" in client(cast, aws_secret_access_key="w" * 40).list_keys()
        with refused("UnrecognizedClientException"):
            client(cast, aws_access_key_id="AKIAUNKNOWN").list_keys()
        with refused("InvalidSignatureException"):
            client(cast, region=WEST, endpoint=HOME).list_keys()


def signed(cast: Cast, body: bytes = b"{}", service: str = "kms") -> AWSRequest:
    request = AWSRequest(
        "POST",
        cast.stand_in.endpoints[HOME] + "/",
        data=body,
        headers={
            "X-Amz-Target": "TrentService.ListKeys",
            "Content-Type": "application/x-amz-json-1.1",
        },
    )
    SigV4Auth(
        Credentials("AKIAOPERATOR", IDENTITIES["AKIAOPERATOR"]["secret"]), service, HOME
    ).add_auth(request)
    return request


def answer(request: AWSRequest) -> tuple[int, str]:
    session = URLLib3Session()
    sent = session.send(request.prepare())
    session.close()
    return sent.status_code, sent.text


def test_what_the_signature_covers_cannot_be_changed(kms_cast: Cast) -> None:
    assert answer(signed(kms_cast))[0] == 200
    body = signed(kms_cast)
    body.data = b'{"Limit": 1}'
    target = signed(kms_cast)
    target.headers.replace_header("X-Amz-Target", "TrentService.ListAliases")
    scope = signed(kms_cast)
    scope.headers.replace_header(
        "Authorization", scope.headers["Authorization"].replace("OPERATOR", "ADMIN")
    )
    for forged in (body, target, scope, signed(kms_cast, service="cloudtrail")):
        status, text = answer(forged)
        assert (status, "InvalidSignatureException" in text) == (400, True)


def test_an_old_request_cannot_be_replayed(kms_cast: Cast) -> None:
    request = signed(kms_cast)
    old = (datetime.now(UTC) - timedelta(minutes=6)).strftime("%Y%m%dT%H%M%SZ")
    request.headers.replace_header("X-Amz-Date", old)
    assert "Signature expired" in answer(request)[1] or "must cover" in answer(request)[1]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic x",
        "AWS4-HMAC-SHA256 Credential=a/b",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request",
    ],
)
def test_half_a_signature_is_none(header: str) -> None:
    with pytest.raises(Refusal, match="IncompleteSignatureException"):
        parse_signature({"Authorization": header})


def test_nobody_is_above_the_key_policy(kms_cast: Cast) -> None:
    """Not even who may do everything: there is no credential that policies do not apply to."""
    kms_cast.need_stand_in()  # nobody could ever delete such a key at AWS
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "*", "Resource": "*"},
    )
    with refused("AccessDeniedException", "explicit deny"):
        kms_cast.kms("operator").describe_key(KeyId=arn)
