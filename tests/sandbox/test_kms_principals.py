"""Users and roles by the calls of IAM, and key policies that name them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.sandbox.kms_aws import sessions_of
from tests.sandbox.kms_cast import (
    ACCOUNT,
    HOME,
    OTHER_ACCOUNT,
    ROOT,
    Cast,
    document,
    refused,
    role,
    standing_in,
    statement,
)
from tests.sandbox.kms_target import PREFIX

USE = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
TRUST = document({"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"})


@pytest.fixture
def iam(kms_cast: Cast) -> Any:
    return kms_cast.client("iam", "operator", HOME)


@pytest.fixture
def user(iam: Any) -> Iterator[str]:
    """A user of the test's own; deleted with all that it has."""
    name = f"{PREFIX}user-{uuid4().hex[:12]}"
    iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": "gateway"}])
    yield name
    for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


def enter(cast: Cast, iam: Any, user: str) -> dict[str, Any]:
    """Let the user be one of the cast by a new access key."""
    key: dict[str, Any] = iam.create_access_key(UserName=user)["AccessKey"]
    cast.introduce(
        user,
        {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        },
    )
    cast.settle()
    return key


def test_a_user_has_what_its_policies_allow_and_loses_it_with_them(
    kms_cast: Cast, iam: Any, user: str
) -> None:
    arn = kms_cast.key()
    enter(kms_cast, iam, user)
    kms = kms_cast.kms(user)
    with refused("AccessDeniedException"):
        kms.encrypt(KeyId=arn, Plaintext=b"x")
    iam.put_user_policy(UserName=user, PolicyName="use", PolicyDocument=document(USE))
    kms_cast.settle()
    kms.encrypt(KeyId=arn, Plaintext=b"x")
    policy = iam.get_user_policy(UserName=user, PolicyName="use")["PolicyDocument"]
    assert policy == json.loads(document(USE))
    iam.delete_user_policy(UserName=user, PolicyName="use")
    kms_cast.settle()
    with refused("AccessDeniedException"):
        kms.encrypt(KeyId=arn, Plaintext=b"x")


def test_a_user_is_named_by_key_policies_and_by_variables(
    kms_cast: Cast, iam: Any, user: str
) -> None:
    arn = kms_cast.key()
    enter(kms_cast, iam, user)
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement(
            {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user}"},
            "kms:Encrypt",
            StringEquals={
                "kms:EncryptionContext:user": "${aws:username}",
                "aws:PrincipalTag/team": "gateway",
                "aws:PrincipalType": "User",
            },
        ),
    )
    kms_cast.kms(user).encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"user": user})
    with refused("AccessDeniedException"):
        kms_cast.kms(user).encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"user": "bob"})
    who = kms_cast.client("sts", user, HOME).get_caller_identity()
    assert who["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{user}"
    assert who["UserId"] == iam.get_user(UserName=user)["User"]["UserId"]


def test_an_access_key_counts_while_it_is_active(kms_cast: Cast, iam: Any, user: str) -> None:
    key = enter(kms_cast, iam, user)
    sts = kms_cast.client("sts", user, HOME)
    sts.get_caller_identity()
    changes: list[Callable[[], Any]] = [
        lambda: iam.update_access_key(
            UserName=user, AccessKeyId=key["AccessKeyId"], Status="Inactive"
        ),
        lambda: iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"]),
    ]
    for change in changes:
        change()
        kms_cast.settle()
        with refused("InvalidClientTokenId"):
            sts.get_caller_identity()
    enter(kms_cast, iam, user)
    enter(kms_cast, iam, user)
    with refused("LimitExceeded"):
        iam.create_access_key(UserName=user)
    with refused("DeleteConflict"):
        iam.delete_user(UserName=user)


def test_iam_refuses_what_is_there_what_is_not_and_what_is_malformed(iam: Any, user: str) -> None:
    with refused("EntityAlreadyExists"):
        iam.create_user(UserName=user)
    with refused("NoSuchEntity"):
        iam.get_user(UserName="that-does-not-exist")
    with refused("NoSuchEntity"):
        iam.get_role_policy(RoleName=PREFIX + "nobody", PolicyName="none")
    with refused("MalformedPolicyDocument"):
        iam.put_user_policy(UserName=user, PolicyName="x", PolicyDocument="{}")
    with refused("MalformedPolicyDocument"):
        iam.create_role(RoleName=f"{PREFIX}malformed", AssumeRolePolicyDocument=document(USE))
    unknown = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/that-does-not-exist"}
    with refused("MalformedPolicyDocument", "Invalid principal"):
        iam.create_role(
            RoleName=f"{PREFIX}unknown",
            AssumeRolePolicyDocument=document(
                {"Effect": "Allow", "Principal": unknown, "Action": "sts:AssumeRole"}
            ),
        )


def test_iam_asks_for_permission_too(kms_cast: Cast) -> None:
    iam = kms_cast.client("iam", "nobody", HOME)
    with refused("AccessDenied", "iam:CreateRole"):
        iam.create_role(RoleName=f"{PREFIX}mine", AssumeRolePolicyDocument=TRUST)
    with refused("AccessDenied", "iam:ListRoles"):
        iam.list_roles()
    with refused("AccessDenied", "iam:PutRolePolicy"):
        iam.put_role_policy(
            RoleName=PREFIX + "nobody", PolicyName="all", PolicyDocument=document(USE)
        )


def test_a_role_is_made_shown_tagged_listed_and_deleted(iam: Any) -> None:
    name = f"{PREFIX}role-{uuid4().hex[:12]}"
    made = iam.create_role(
        RoleName=name, Path="/tenants/", AssumeRolePolicyDocument=TRUST, MaxSessionDuration=7200
    )["Role"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/tenants/{name}"
    iam.tag_role(RoleName=name, Tags=[{"Key": "tier", "Value": "gold"}, {"Key": "x", "Value": ""}])
    iam.untag_role(RoleName=name, TagKeys=["x"])
    shown = iam.get_role(RoleName=name)["Role"]
    assert shown["AssumeRolePolicyDocument"] == json.loads(TRUST)
    assert shown["Tags"] == [{"Key": "tier", "Value": "gold"}]
    assert (shown["RoleId"], shown["MaxSessionDuration"]) == (made["RoleId"], 7200)
    listed = [item["RoleName"] for page in iam.get_paginator("list_roles").paginate()
              for item in page["Roles"]]  # fmt: skip
    assert name in listed
    iam.delete_role(RoleName=name)
    with refused("NoSuchEntity"):
        iam.get_role(RoleName=name)


@pytest.mark.parametrize(
    "principal",
    [
        f"arn:aws:iam::{ACCOUNT}:role/that-does-not-exist",
        f"arn:aws:iam::{ACCOUNT}:user/that-does-not-exist",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/that-does-not-exist/session",
    ],
)
def test_a_key_policy_names_principals_that_exist(kms_cast: Cast, principal: str) -> None:
    policy = document(statement({"AWS": ROOT}, "kms:*"), statement({"AWS": principal}, "kms:*"))
    client = kms_cast.kms("operator")
    text = "invalid principals"
    with refused("MalformedPolicyDocumentException", text):
        client.create_key(Policy=policy)
    arn = kms_cast.key()
    with refused("MalformedPolicyDocumentException", text):
        client.put_key_policy(KeyId=arn, Policy=policy, BypassPolicyLockoutSafetyCheck=True)


def test_a_principal_of_an_account_that_is_not_known_here_may_be_named(kms_cast: Cast) -> None:
    kms_cast.need_stand_in()  # AWS knows every account
    for principal in ("arn:aws:iam::999999999999:role/theirs", "arn:aws:iam::999999999999:root"):
        kms_cast.key(
            Policy=document(
                statement({"AWS": ROOT}, "kms:*"), statement({"AWS": principal}, "kms:Decrypt")
            )
        )


def test_principals_outlive_the_process(kms_cast: Cast, iam: Any, user: str) -> None:
    key = enter(kms_cast, iam, user)
    iam.put_user_policy(UserName=user, PolicyName="use", PolicyDocument=document(USE))
    kms_cast.stand_in.kill()
    kms_cast.stand_in.start()
    kms_cast.kms(user).list_keys()
    assert user in [item["UserName"] for item in iam.list_users()["Users"]]
    listed = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    assert [item["AccessKeyId"] for item in listed] == [key["AccessKeyId"]]


def test_roles_of_the_identities_file_can_be_changed_but_not_deleted(kms_cast: Cast) -> None:
    kms_cast.need_stand_in()
    iam = kms_cast.client("iam", "operator", HOME)
    iam.put_role_policy(RoleName="tagged", PolicyName="more", PolicyDocument=document(USE))
    assert iam.list_role_policies(RoleName="tagged")["PolicyNames"] == ["more"]
    iam.delete_role_policy(RoleName="tagged", PolicyName="more")
    with refused("DeleteConflict"):
        iam.delete_role(RoleName="tagged")


def test_no_secret_of_an_access_key_is_in_the_trail(kms_cast: Cast, iam: Any, user: str) -> None:
    key = enter(kms_cast, iam, user)
    text = str(kms_cast.stand_in.events(HOME))
    assert key["AccessKeyId"] in text
    assert key["SecretAccessKey"] not in text


def test_each_account_sees_its_own_users_and_roles(kms_cast: Cast) -> None:
    theirs = kms_cast.client("iam", "stranger", HOME)
    assert {item["Arn"].split(":")[4] for item in theirs.list_roles()["Roles"]} == {OTHER_ACCOUNT}
    with refused("NoSuchEntity"):
        theirs.get_role(RoleName=PREFIX + "nobody")


def test_the_cast_of_aws_can_be_made_by_the_calls_of_iam_and_sts(tmp_path: Any) -> None:
    with standing_in(tmp_path, transition_seconds=0) as cast:
        iam, sts = (cast.client(name, "operator", HOME) for name in ("iam", "sts"))
        with sessions_of(iam, sts, ACCOUNT, prefix="other-") as sessions:
            cast.introduce("made-operator", sessions["operator"])
            arn = cast.kms("made-operator").create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
            cast.introduce("made-nobody", sessions["nobody"])
            with refused("AccessDeniedException", "assumed-role/other-nobody/test"):
                cast.kms("made-nobody").describe_key(KeyId=arn)
        with refused("UnrecognizedClientException"):
            cast.kms("made-operator").describe_key(KeyId=arn)
        with refused("NoSuchEntity"):
            iam.get_role(RoleName="other-operator")
    assert role("operator")
