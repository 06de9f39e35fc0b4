"""Which documents are policies, and which are refused as malformed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.kms.policy.document import MalformedPolicy, parse_identity_policy, parse_key_policy
from tests.sandbox.kms_cast import ROOT, Cast, refused, statement

GOOD = statement({"AWS": ROOT}, "kms:*")


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name not in names} | more


MALFORMED = [
    "",
    "no JSON",
    "[]",
    "{}",
    json.dumps({"Version": "2012-10-17"}),
    json.dumps({"Version": "2012-10-17", "Statement": [GOOD]})[:-1] + ', "Statement": []}',
    "[" * 5000,
    json.dumps({"Version": "2012-10-17", "Statement": []}),
    json.dumps({"Version": "2013-01-01", "Statement": [GOOD]}),
    json.dumps({"Version": "2012-10-17", "Statement": [GOOD], "More": 1}),
    *(
        json.dumps({"Version": "2012-10-17", "Statement": [item]})
        for item in (
            "no statement",
            without("Effect"),
            without(Effect="Maybe"),
            without("Principal"),
            without(NotPrincipal="*"),
            without("Action"),
            without(NotAction="kms:*"),
            without(Action=[]),
            without(Action="Decrypt"),
            without(Action=1),
            without("Resource"),
            without(More="x"),
            without(Principal={}),
            without(Principal={"AWS": []}),
            without(Principal={"Human": "x"}),
            without(Principal={"AWS": "arn:aws:iam::*:role/x"}),
            without(Principal={"AWS": "arn:aws:iam::111122223333:role/*"}),
            without(Principal={"AWS": "alice"}),
            without(Condition=[]),
            without(Condition={"StringEquals": "x"}),
            without(Condition={"StringResembles": {"aws:PrincipalArn": "x"}}),
            without(Condition={"ForSomeValues:StringEquals": {"aws:PrincipalArn": "x"}}),
            without(Condition={"StringEquals": {"aws:PrincipalArn": []}}),
            without(Condition={"StringEquals": {"aws:PrincipalArn": {}}}),
            without(Condition={"Bool": {"kms:MultiRegion": "perhaps"}}),
            without(Condition={"Null": {"kms:MultiRegion": "perhaps"}}),
            without(Condition={"NumericEquals": {"kms:MultiRegion": "x"}}),
            without(Condition={"IpAddress": {"aws:SourceIp": "x"}}),
        )
    ),
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_no_key_policy_is_refused(text: str) -> None:
    with pytest.raises(MalformedPolicy):
        parse_key_policy(text)


def test_kms_answers_with_its_own_code_and_keeps_the_policy_that_it_had(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    before = client.get_key_policy(KeyId=arn)["Policy"]
    for text in MALFORMED[1:]:
        with refused("MalformedPolicyDocumentException"):
            client.put_key_policy(KeyId=arn, Policy=text)
    with refused("MalformedPolicyDocumentException"):
        client.create_key(Policy=MALFORMED[-1])
    assert client.get_key_policy(KeyId=arn)["Policy"] == before


def test_a_policy_is_32_kilobytes_at_most(kms_cast: Cast) -> None:
    text = json.dumps({"Version": "2012-10-17", "Id": "x" * 32_768, "Statement": [GOOD]})
    with refused("LimitExceededException"):
        kms_cast.kms("operator").create_key(Policy=text)


def test_a_single_statement_needs_no_list() -> None:
    assert len(parse_key_policy(json.dumps({"Version": "2012-10-17", "Statement": GOOD}))) == 1


def test_an_identity_policy_names_no_principal() -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": [GOOD]})
    with pytest.raises(MalformedPolicy):
        parse_identity_policy(text)
    assert len(parse_identity_policy(json.dumps({"Statement": without("Principal")}))) == 1
