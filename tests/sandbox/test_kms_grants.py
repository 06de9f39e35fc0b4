"""Grants: what they allow, to whom, in which encryption context, and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.kms_cast import (
    ACCOUNT,
    HOME,
    OTHER_ACCOUNT,
    ROOT,
    WEST,
    Cast,
    grant,
    refused,
    role,
    session,
    standing_in,
    statement,
)

ACME = {"tenant": "acme"}
PII = {"tenant": "acme", "class": "pii"}


def test_a_grant_lets_its_grantee_do_what_it_says_and_no_more(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    nobody = kms_cast.kms("nobody")
    with refused("AccessDeniedException"):
        nobody.generate_data_key(KeyId=arn, KeySpec="AES_256")
    grant(kms_cast, arn, "GenerateDataKey", "Decrypt")
    made = nobody.generate_data_key(KeyId=arn, KeySpec="AES_256", EncryptionContext=ACME)
    opened = nobody.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=ACME)
    assert opened["Plaintext"] == made["Plaintext"]
    with refused("AccessDeniedException"):
        nobody.encrypt(KeyId=arn, Plaintext=b"x")
    with refused("AccessDeniedException"):
        nobody.describe_key(KeyId=arn)
    with refused("AccessDeniedException"):
        kms_cast.kms("tagger").generate_data_key(KeyId=arn, KeySpec="AES_256")


def test_a_grant_is_of_one_region_alone(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    grant(kms_cast, arn, "Encrypt")
    kms_cast.kms("nobody").encrypt(KeyId=arn, Plaintext=b"x")
    with refused("AccessDeniedException"):
        kms_cast.kms("nobody", WEST).encrypt(KeyId=replica, Plaintext=b"x")
    assert kms_cast.kms("operator", WEST).list_grants(KeyId=replica)["Grants"] == []


@pytest.mark.parametrize(
    ("constraint", "admitted", "others"),
    [
        ({"EncryptionContextEquals": ACME}, [ACME], [{}, PII, {"tenant": "globex"}]),
        (
            {"EncryptionContextSubset": ACME},
            [ACME, PII],
            [{}, {"TENANT": "acme"}, {"class": "pii"}],
        ),
    ],
)
def test_a_constraint_limits_a_grant_to_an_encryption_context(
    kms_cast: Cast,
    constraint: dict[str, Any],
    admitted: list[dict[str, str]],
    others: list[dict[str, str]],
) -> None:
    arn = kms_cast.key()
    grant(kms_cast, arn, "Encrypt", "Decrypt", "DescribeKey", Constraints=constraint)
    nobody = kms_cast.kms("nobody")
    for context in admitted:
        blob = nobody.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext=context)
        opened = nobody.decrypt(CiphertextBlob=blob["CiphertextBlob"], EncryptionContext=context)
        assert opened["Plaintext"] == b"x"
    for context in others:
        blob = kms_cast.kms("operator").encrypt(
            KeyId=arn, Plaintext=b"x", EncryptionContext=context
        )
        with refused("AccessDeniedException"):
            nobody.decrypt(CiphertextBlob=blob["CiphertextBlob"], EncryptionContext=context)
    nobody.describe_key(
        KeyId=arn
    )  # it has no encryption context, so that the constraint is not asked


def test_an_explicit_deny_is_stronger_than_a_grant(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement({"AWS": role("nobody")}, "kms:Encrypt", "Deny"),
    )
    grant(kms_cast, arn, "Encrypt", "GenerateDataKey")
    nobody = kms_cast.kms("nobody")
    nobody.generate_data_key(KeyId=arn, KeySpec="AES_256")
    with refused("AccessDeniedException", "explicit deny"):
        nobody.encrypt(KeyId=arn, Plaintext=b"x")


def test_a_new_grant_needs_its_token_until_all_of_kms_knows_it(tmp_path: Path) -> None:
    with standing_in(tmp_path, transition_seconds=600) as cast:
        arn = cast.key()
        made = grant(cast, arn, "Encrypt")
        nobody = cast.kms("nobody")
        with refused("AccessDeniedException"):
            nobody.encrypt(KeyId=arn, Plaintext=b"x")
        nobody.encrypt(KeyId=arn, Plaintext=b"x", GrantTokens=[made["GrantToken"]])
        with refused("InvalidGrantTokenException"):
            nobody.encrypt(KeyId=arn, Plaintext=b"x", GrantTokens=["no token"])
        with refused("InvalidGrantTokenException"):
            cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"x", GrantTokens=["no token"])
        other = grant(cast, cast.key(), "Encrypt")
        with refused("AccessDeniedException"):
            nobody.encrypt(KeyId=arn, Plaintext=b"x", GrantTokens=[other["GrantToken"]])
        cast.stand_in.advance_clock(600)
        nobody.encrypt(KeyId=arn, Plaintext=b"x")


def test_the_same_grant_of_the_same_name_is_made_once(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    first = grant(kms_cast, arn, "Encrypt", Name="worker")
    again = grant(kms_cast, arn, "Encrypt", Name="worker")
    assert again["GrantId"] == first["GrantId"]
    assert again["GrantToken"] != first["GrantToken"]
    other = grant(kms_cast, arn, "Encrypt", "Decrypt", Name="worker")
    assert other["GrantId"] != first["GrantId"]
    unnamed = {grant(kms_cast, arn, "Encrypt")["GrantId"] for _ in range(2)}
    assert len(unnamed) == 2


def test_grants_are_listed_in_pages_and_by_grantee_and_id(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    made = {grant(kms_cast, arn, "Encrypt")["GrantId"] for _ in range(5)}
    one = grant(
        kms_cast, arn, "Decrypt", to="tagger", Constraints={"EncryptionContextSubset": ACME}
    )
    pages = client.get_paginator("list_grants").paginate(
        KeyId=arn, PaginationConfig={"PageSize": 2}
    )
    listed = [item["GrantId"] for page in pages for item in page["Grants"]]
    assert sorted(listed) == sorted(made | {one["GrantId"]})
    [found] = client.list_grants(KeyId=arn, GranteePrincipal=role("tagger"))["Grants"]
    assert (found["KeyId"], found["GrantId"]) == (arn, one["GrantId"])
    assert found["Operations"] == ["Decrypt"]
    assert found["Constraints"] == {"EncryptionContextSubset": ACME}
    assert found["IssuingAccount"] == ROOT
    assert [g["GrantId"] for g in client.list_grants(KeyId=arn, GrantId=listed[0])["Grants"]] == [
        listed[0]
    ]
    with refused("ValidationException"):
        client.list_grants(KeyId=arn, Limit=101)


def test_a_grantee_passes_on_no_more_than_it_was_given(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    grant(
        kms_cast,
        arn,
        *("Encrypt", "Decrypt", "CreateGrant"),
        Constraints={"EncryptionContextSubset": ACME},
    )
    nobody = kms_cast.kms("nobody")

    def pass_on(*operations: str, **constraints: dict[str, str]) -> None:
        nobody.create_grant(
            KeyId=arn,
            GranteePrincipal=role("tagger"),
            Operations=list(operations),
            **({"Constraints": constraints} if constraints else {}),
        )

    pass_on("Decrypt", EncryptionContextSubset=PII)
    pass_on("Decrypt", "Encrypt", "CreateGrant", EncryptionContextEquals=ACME)
    for wider in ("Decrypt",), ("Decrypt", "GenerateDataKey"):
        with refused("AccessDeniedException"):
            pass_on(*wider, EncryptionContextSubset={"class": "pii"})
    with refused("AccessDeniedException"):
        pass_on("Decrypt")
    with refused("AccessDeniedException"):
        pass_on("GenerateDataKey", EncryptionContextSubset=ACME)


def test_only_operations_that_suit_the_key_can_be_granted(kms_cast: Cast) -> None:
    symmetric = kms_cast.key()
    mac = kms_cast.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    grant(kms_cast, mac, "GenerateMac", "VerifyMac", "DescribeKey")
    for arn, operation in ((symmetric, "Sign"), (symmetric, "GenerateMac"), (mac, "Encrypt")):
        with refused("ValidationException"):
            grant(kms_cast, arn, operation)
    with refused("ValidationException"):
        grant(kms_cast, symmetric, "ScheduleKeyDeletion")
    with refused("ValidationException"):
        grant(kms_cast, mac, "GenerateMac", Constraints={"EncryptionContextSubset": ACME})
    nine = {f"k{n}": "v" for n in range(9)}
    with refused("ValidationException"):
        grant(kms_cast, symmetric, "Encrypt", Constraints={"EncryptionContextEquals": nine})


@pytest.mark.parametrize(
    "principal",
    [
        "nobody",
        f"arn:aws:iam::{ACCOUNT}:group/all",
        f"arn:aws:iam::{ACCOUNT}:role/that-does-not-exist",
        "arn:aws:s3:::bucket",
    ],
)
def test_a_grant_goes_to_a_principal_that_exists(kms_cast: Cast, principal: str) -> None:
    with refused("InvalidArnException"):
        kms_cast.kms("operator").create_grant(
            KeyId=kms_cast.key(), GranteePrincipal=principal, Operations=["Encrypt"]
        )


def test_a_grant_may_name_one_session_or_a_whole_account(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    client.create_grant(KeyId=arn, GranteePrincipal=session("nobody"), Operations=["Encrypt"])
    other = session("nobody").removesuffix("test") + "other"
    client.create_grant(KeyId=arn, GranteePrincipal=other, Operations=["DescribeKey"])
    kms_cast.settle()
    kms_cast.kms("nobody").encrypt(KeyId=arn, Plaintext=b"x")
    with refused("AccessDeniedException"):
        kms_cast.kms("nobody").describe_key(KeyId=arn)


def test_a_grant_reaches_another_account(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    stranger = kms_cast.kms("stranger")
    with refused("AccessDeniedException"):
        stranger.encrypt(KeyId=arn, Plaintext=b"x")
    kms_cast.kms("operator").create_grant(
        KeyId=arn,
        GranteePrincipal=f"arn:aws:iam::{OTHER_ACCOUNT}:root",
        Operations=["Encrypt"],
    )
    kms_cast.settle()
    assert stranger.encrypt(KeyId=arn, Plaintext=b"x")["KeyId"] == arn
    with refused("AccessDeniedException"):
        stranger.describe_key(KeyId=arn)


@pytest.mark.parametrize(
    ("conditions", "arguments", "allowed"),
    [
        ({"Bool": {"kms:GrantIsForAWSResource": "true"}}, {}, False),
        ({"Bool": {"kms:GrantIsForAWSResource": "false"}}, {}, True),
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt", "Decrypt"]}}, {}, True),
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}, {}, False),
        ({"StringEquals": {"kms:GranteePrincipal": role("nobody")}}, {}, True),
        ({"StringEquals": {"kms:GranteePrincipal": role("tagger")}}, {}, False),
        ({"Null": {"kms:RetiringPrincipal": "true"}}, {}, True),
        (
            {"StringEquals": {"kms:RetiringPrincipal": role("tagger")}},
            {"RetiringPrincipal": role("tagger")},
            True,
        ),
        ({"StringEquals": {"kms:GrantConstraintType": "EncryptionContextEquals"}}, {}, False),
        (
            {"StringEquals": {"kms:GrantConstraintType": "EncryptionContextEquals"}},
            {"Constraints": {"EncryptionContextEquals": ACME}},
            True,
        ),
        (
            {"StringEquals": {"kms:EncryptionContext:tenant": "acme"}},
            {"Constraints": {"EncryptionContextSubset": ACME}},
            True,
        ),
    ],
)
def test_a_policy_limits_which_grants_are_made(
    kms_cast: Cast, conditions: dict[str, Any], arguments: dict[str, Any], allowed: bool
) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(arn, statement("*", "kms:CreateGrant", **conditions))
    if allowed:
        grant(kms_cast, arn, "Encrypt", **arguments)
    else:
        with refused("AccessDeniedException", "kms:CreateGrant"):
            grant(kms_cast, arn, "Encrypt", **arguments)


def test_grants_outlive_the_process_and_end_with_their_key(tmp_path: Path) -> None:
    with standing_in(tmp_path, transition_seconds=0) as cast:
        arn = cast.key()
        made = grant(cast, arn, "Encrypt", Constraints={"EncryptionContextEquals": ACME})
        cast.stand_in.kill()
        cast.stand_in.start()
        client, nobody = cast.kms("operator"), cast.kms("nobody")
        assert [g["GrantId"] for g in client.list_grants(KeyId=arn)["Grants"]] == [made["GrantId"]]
        nobody.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext=ACME)
        client.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
        cast.stand_in.advance_clock(7 * 86_400)
        with refused("NotFoundException"):
            client.retire_grant(GrantToken=made["GrantToken"])


def test_neither_tokens_nor_credentials_get_into_the_trail(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    made = grant(kms_cast, arn, "Encrypt")
    kms_cast.kms("nobody").encrypt(KeyId=arn, Plaintext=b"x", GrantTokens=[made["GrantToken"]])
    kms_cast.kms("operator").retire_grant(GrantToken=made["GrantToken"])
    lines = kms_cast.stand_in.events(HOME)
    assert [line["eventName"] for line in lines[-3:]] == ["CreateGrant", "Encrypt", "RetireGrant"]
    assert lines[-3]["responseElements"] == {"grantId": made["GrantId"]}
    assert made["GrantToken"] not in str(lines)
