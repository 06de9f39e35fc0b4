"""AssumeRole of STS: who may become which role, session tags, session policies, and what a session may do with keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.kms.database import Database
from sandbox.kms.directory import Directory
from sandbox.kms.errors import Refusal
from sandbox.kms.identities import Preset, read_identities
from sandbox.kms.sessions import Session, sealed
from sandbox.kms.store import Store
from tests.sandbox.kms_cast import (
    ACCOUNT,
    HOME,
    OTHER_ACCOUNT,
    ROOT,
    WEST,
    Cast,
    document,
    refused,
    role,
    session,
    statement,
)
from tests.sandbox.kms_roles import assume, become, delete_role, fresh_role
from tests.sandbox.kms_target import PREFIX

USE = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}


def test_a_session_is_its_role_to_key_policies_and_shows_its_name(kms_cast: Cast) -> None:
    name = fresh_role(kms_cast)
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement({"AWS": role(name)}, ["kms:Encrypt"]),
    )
    who = become(kms_cast, name)
    caller = kms_cast.client("sts", who, HOME).get_caller_identity()
    assert (caller["Arn"], caller["Account"]) == (session(name), ACCOUNT)
    assert caller["UserId"].startswith("AROA")
    assert caller["UserId"].endswith(":test")
    kms_cast.kms(who).encrypt(KeyId=arn, Plaintext=b"x")
    with refused("AccessDeniedException", session(name)):
        kms_cast.kms(who).describe_key(KeyId=arn)


def test_credentials_of_a_session_count_in_every_region(kms_cast: Cast) -> None:
    who = become(kms_cast, fresh_role(kms_cast, USE))
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    made = kms_cast.kms(who).generate_data_key(KeyId=arn, KeySpec="AES_256")
    opened_there = kms_cast.kms(who, WEST).decrypt(
        KeyId=replica, CiphertextBlob=made["CiphertextBlob"]
    )
    assert opened_there["Plaintext"] == made["Plaintext"]


def test_forged_or_mixed_credentials_are_those_of_nobody(kms_cast: Cast) -> None:
    first = assume(kms_cast.client("sts", "operator", HOME), role(fresh_role(kms_cast, USE)))
    second = assume(kms_cast.client("sts", "operator", HOME), role(fresh_role(kms_cast, USE)))
    token = first["aws_session_token"]
    wrong = {
        "another": first | {"aws_session_token": second["aws_session_token"]},
        "flipped": first | {"aws_session_token": "A" + token[1:] if token[0] != "A" else "B"},
        "key": first | {"aws_access_key_id": second["aws_access_key_id"]},
        "without": {name: value for name, value in first.items() if "token" not in name},
    }
    for name, credentials in wrong.items():
        kms_cast.introduce(name, credentials)
        with refused("UnrecognizedClientException"):
            kms_cast.kms(name).list_keys()
    kms_cast.introduce("secret", first | {"aws_secret_access_key": "x" * 40})
    with refused("InvalidSignatureException"):
        kms_cast.kms("secret").list_keys()


def test_nobody_becomes_a_role_that_does_not_trust_it(kms_cast: Cast) -> None:
    name = fresh_role(kms_cast, USE)
    with refused("AccessDenied", "sts:AssumeRole"):
        become(kms_cast, name, by="admin")
    with refused("AccessDenied"):
        become(kms_cast, "that-does-not-exist")


def test_a_role_of_another_account_needs_both_sides(kms_cast: Cast) -> None:
    name = fresh_role(kms_cast, USE)
    iam = kms_cast.client("iam", "operator", HOME)
    with refused("AccessDenied"):
        become(kms_cast, name, by="stranger")
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": {"sts:ExternalId": "acme"}},
    }
    iam.update_assume_role_policy(
        RoleName=PREFIX + name,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
    )
    kms_cast.settle()
    with refused("AccessDenied"):
        become(kms_cast, name, by="stranger")
    who = become(kms_cast, name, by="stranger", ExternalId="acme")
    kms_cast.kms(who).encrypt(KeyId=kms_cast.key(), Plaintext=b"x")


def test_a_tenants_role_in_its_own_account_uses_our_key_when_both_sides_allow(
    kms_cast: Cast,
) -> None:
    arn = kms_cast.key()
    stranger = kms_cast.kms("stranger")
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement({"AWS": role("stranger", OTHER_ACCOUNT)}, "kms:Decrypt"),
    )
    blob = kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    assert stranger.decrypt(CiphertextBlob=blob, KeyId=arn)["Plaintext"] == b"x"


def test_session_tags_stand_in_key_policies(kms_cast: Cast) -> None:
    name = fresh_role(kms_cast, team="gateway", tenant="none")
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement(
            {"AWS": role(name)},
            "kms:Encrypt",
            StringEquals={
                "kms:EncryptionContext:tenant": "${aws:PrincipalTag/tenant}",
                "aws:PrincipalTag/team": "gateway",
            },
        ),
    )
    who = become(kms_cast, name, Tags=[{"Key": "tenant", "Value": "acme"}])
    kms_cast.kms(who).encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"tenant": "acme"})
    for tenant in ("globex", "none"):
        with refused("AccessDeniedException"):
            kms_cast.kms(who).encrypt(
                KeyId=arn, Plaintext=b"x", EncryptionContext={"tenant": tenant}
            )


def test_tagging_a_session_is_a_permission_of_its_own(kms_cast: Cast) -> None:
    name = fresh_role(kms_cast)
    trust = {"Effect": "Allow", "Principal": {"AWS": role("nobody")}, "Action": "sts:AssumeRole"}
    kms_cast.client("iam", "operator", HOME).update_assume_role_policy(
        RoleName=PREFIX + name,
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
    )
    kms_cast.settle()
    become(kms_cast, name, by="nobody")
    with refused("AccessDenied", "sts:TagSession"):
        become(kms_cast, name, by="nobody", Tags=[{"Key": "tenant", "Value": "acme"}])


def test_transitive_tags_stay_when_a_session_becomes_another_role(kms_cast: Cast) -> None:
    first = fresh_role(kms_cast, {"Effect": "Allow", "Action": "sts:*", "Resource": "*"})
    second = fresh_role(kms_cast)
    kms_cast.client("iam", "operator", HOME).update_assume_role_policy(
        RoleName=PREFIX + second,
        PolicyDocument=document(
            {
                "Effect": "Allow",
                "Principal": {"AWS": role(first)},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ),
    )
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement(
            {"AWS": role(second)},
            "kms:Encrypt",
            StringEquals={"aws:PrincipalTag/tenant": "acme"},
            Null={"aws:PrincipalTag/tier": "true"},
        ),
    )
    between = become(
        kms_cast,
        first,
        Tags=[{"Key": "tenant", "Value": "acme"}, {"Key": "tier", "Value": "gold"}],
        TransitiveTagKeys=["tenant"],
    )
    with refused("ValidationError"):  # a role that a role assumed: one hour at most
        become(kms_cast, second, by=between, DurationSeconds=3601)
    kms_cast.kms(become(kms_cast, second, by=between)).encrypt(KeyId=arn, Plaintext=b"x")


def test_a_session_policy_limits_the_session_and_never_adds(kms_cast: Cast) -> None:
    name = fresh_role(kms_cast, USE | {"Action": ["kms:Encrypt", "kms:DescribeKey"]})
    arn = kms_cast.key()
    only = document({"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"})
    who = become(kms_cast, name, Policy=only)
    blob = kms_cast.kms(who).encrypt(KeyId=arn, Plaintext=b"x")["CiphertextBlob"]
    with refused("AccessDeniedException", "no session policy allows the kms:DescribeKey action"):
        kms_cast.kms(who).describe_key(KeyId=arn)
    with refused("AccessDeniedException", "no identity-based policy"):
        kms_cast.kms(who).decrypt(CiphertextBlob=blob)
    deny = document(USE, USE | {"Effect": "Deny", "Action": "kms:Encrypt"})
    with refused("AccessDeniedException", "explicit deny in a session policy"):
        kms_cast.kms(become(kms_cast, name, Policy=deny)).encrypt(KeyId=arn, Plaintext=b"x")
    with refused("MalformedPolicyDocument"):
        become(kms_cast, name, Policy="{}")


def test_what_a_key_policy_gives_to_the_session_itself_no_session_policy_takes(
    kms_cast: Cast,
) -> None:
    name = fresh_role(kms_cast)
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement({"AWS": role(name)}, "kms:Encrypt"),
        statement({"AWS": session(name)}, "kms:DescribeKey"),
    )
    nothing = document({"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"})
    who = become(kms_cast, name, Policy=nothing)
    kms_cast.kms(who).describe_key(KeyId=arn)
    with refused("AccessDeniedException", "no session policy"):
        kms_cast.kms(who).encrypt(KeyId=arn, Plaintext=b"x")


def test_a_session_lasts_no_longer_than_its_role_allows(kms_cast: Cast) -> None:
    name = fresh_role(kms_cast)
    sts = kms_cast.client("sts", "operator", HOME)
    with refused("ValidationError"):
        become(kms_cast, name, DurationSeconds=3601)
    given = sts.assume_role(RoleArn=role(name), RoleSessionName="test", DurationSeconds=900)
    left = given["Credentials"]["Expiration"] - datetime.now(UTC)
    assert timedelta(seconds=890) < left <= timedelta(seconds=901)


def test_a_session_ends_with_its_role_and_follows_its_policies(kms_cast: Cast) -> None:
    name = fresh_role(kms_cast, USE)
    iam = kms_cast.client("iam", "operator", HOME)
    who = become(kms_cast, name)
    arn = kms_cast.key()
    kms_cast.kms(who).encrypt(KeyId=arn, Plaintext=b"x")
    for policy in iam.list_role_policies(RoleName=PREFIX + name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=PREFIX + name, PolicyName=policy)
    kms_cast.settle()
    with refused("AccessDeniedException", "no identity-based policy"):
        kms_cast.kms(who).encrypt(KeyId=arn, Plaintext=b"x")
    delete_role(iam, PREFIX + name)
    kms_cast.settle()
    with refused("UnrecognizedClientException"):
        kms_cast.kms(who).encrypt(KeyId=arn, Plaintext=b"x")


def test_sessions_outlive_the_process(kms_cast: Cast) -> None:
    who = become(kms_cast, fresh_role(kms_cast, USE))
    arn = kms_cast.key()
    kms_cast.stand_in.kill()
    kms_cast.stand_in.start()
    kms_cast.kms(who).encrypt(KeyId=arn, Plaintext=b"x")


def test_an_old_token_says_that_it_has_expired(tmp_path: Path) -> None:
    store = Store(Database(tmp_path))
    directory = Directory(store, read_preset(tmp_path, {role("worker"): {}}))
    made = Session(
        access_key="ASIAX",
        secret="x",
        role=role("worker"),
        name="test",
        tags={"tenant": "acme"},
        transitive=("tenant",),
        policy="",
        expires_at=1000.0,
    )
    token = sealed(made, sealing_key=store.sealing_key)
    assert directory.identify("ASIAX", token, now=999.9).caller.arn == session("worker")
    with pytest.raises(Refusal, match="ExpiredTokenException"):
        directory.identify("ASIAX", token, now=1000.0)
    foreign = sealed(made, sealing_key=b"k" * 32)
    with pytest.raises(Refusal, match="UnrecognizedClientException"):
        directory.identify("ASIAX", foreign, now=0.0)
    store.close()


def read_preset(directory: Path, content: dict[str, Any]) -> Preset:
    path = directory / "identities.json"
    path.write_text(json.dumps(content))
    return read_identities(path)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}, "ValidationError"),
        ({"Tags": [{"Key": "aws:x", "Value": "1"}]}, "ValidationError"),
        ({"TransitiveTagKeys": ["tenant"]}, "ValidationError"),
    ],
)
def test_tags_that_sts_does_not_take_are_refused(
    kms_cast: Cast, arguments: dict[str, Any], code: str
) -> None:
    with refused(code):
        become(kms_cast, fresh_role(kms_cast), **arguments)


def test_an_assumed_role_is_in_the_trail_without_its_credentials(kms_cast: Cast) -> None:
    kms_cast.need_stand_in()
    name = fresh_role(kms_cast)
    given = assume(kms_cast.client("sts", "operator", HOME), role(name))
    event = kms_cast.stand_in.events(HOME)[-1]
    assert (event["eventName"], event["eventSource"]) == ("AssumeRole", "sts.amazonaws.com")
    assert event["requestParameters"]["roleArn"] == role(name)
    shown = event["responseElements"]["credentials"]
    assert shown.keys() == {"accessKeyId", "expiration"}
    assert given["aws_secret_access_key"] not in str(event)
    assert given["aws_session_token"] not in str(event)
