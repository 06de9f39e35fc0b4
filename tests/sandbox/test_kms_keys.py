"""Keys, aliases, tags and descriptions through unmodified boto3."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.kms import KmsStandIn
from tests.sandbox.kms_cast import (
    ACCOUNT,
    HOME,
    IDENTITIES,
    ROOT,
    WEST,
    Cast,
    refused,
    session,
    standing_in,
)
from tests.sandbox.kms_target import ON_AWS


def test_a_multi_region_key_is_described_as_aws_describes_it(kms_cast: Cast) -> None:
    made = kms_cast.kms("operator").create_key(MultiRegion=True, Description="Acme")["KeyMetadata"]
    assert re.fullmatch(r"mrk-[0-9a-f]{32}", made["KeyId"])
    assert made["Arn"] == f"arn:aws:kms:{HOME}:{ACCOUNT}:key/{made['KeyId']}"
    assert (made["KeyState"], made["Enabled"], made["Description"]) == ("Enabled", True, "Acme")
    assert (made["KeySpec"], made["KeyUsage"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    assert made["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": {"Arn": made["Arn"], "Region": HOME},
        "ReplicaKeys": [],
    }
    shown = kms_cast.kms("operator").describe_key(KeyId=made["KeyId"])["KeyMetadata"]
    assert shown == made


def test_a_single_region_key_has_no_multi_region_configuration(kms_cast: Cast) -> None:
    made = kms_cast.kms("operator").create_key()["KeyMetadata"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["KeyId"])
    assert made["MultiRegion"] is False
    assert "MultiRegionConfiguration" not in made


def test_the_usage_of_a_key_must_suit_its_spec(kms_cast: Cast) -> None:
    client = kms_cast.kms("operator")
    with refused("ValidationException", "KeyUsage ENCRYPT_DECRYPT is not compatible"):
        client.create_key(KeySpec="HMAC_256")
    with refused("ValidationException", "KeyUsage GENERATE_VERIFY_MAC is not compatible"):
        client.create_key(KeyUsage="GENERATE_VERIFY_MAC")
    with refused("ValidationException", "KeySpec and CustomerMasterKeySpec"):
        client.create_key(KeySpec="HMAC_256", CustomerMasterKeySpec="HMAC_256")


def test_keys_are_listed_page_by_page_in_their_own_region(kms_cast: Cast) -> None:
    made = {kms_cast.key() for _ in range(5)}
    pages = (
        kms_cast.kms("operator")
        .get_paginator("list_keys")
        .paginate(PaginationConfig={"PageSize": 2})
    )
    found = [item["KeyArn"] for page in pages for item in page["Keys"]]
    assert made <= set(found)
    assert len(found) == len(set(found))
    with refused("InvalidMarkerException"):
        kms_cast.kms("operator").list_keys(Marker="!")


def test_a_disabled_key_is_of_no_use_until_it_is_enabled(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    client.disable_key(KeyId=arn)
    shown = client.describe_key(KeyId=arn)["KeyMetadata"]
    assert (shown["KeyState"], shown["Enabled"]) == ("Disabled", False)
    uses: list[Callable[[], Any]] = [
        lambda: client.decrypt(CiphertextBlob=blob),
        lambda: client.encrypt(KeyId=arn, Plaintext=b"hello"),
        lambda: client.generate_data_key(KeyId=arn, KeySpec="AES_256"),
        lambda: client.re_encrypt(CiphertextBlob=blob, DestinationKeyId=arn),
        lambda: client.replicate_key(KeyId=arn, ReplicaRegion=WEST),
    ]
    for use in uses:
        with refused("DisabledException", f"{arn} is disabled."):
            use()
    client.enable_key(KeyId=arn)
    assert client.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"


def test_an_alias_is_made_moved_listed_and_deleted(kms_cast: Cast) -> None:
    first, second = kms_cast.key(), kms_cast.key()
    client = kms_cast.kms("operator")
    name = f"alias/tenants/{first[-12:]}"
    client.create_alias(AliasName=name, TargetKeyId=first)
    with refused("AlreadyExistsException"):
        client.create_alias(AliasName=name, TargetKeyId=second)
    assert client.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == first
    client.update_alias(AliasName=name, TargetKeyId=second)
    assert client.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == second
    assert client.list_aliases(KeyId=first)["Aliases"] == []
    (listed,) = client.list_aliases(KeyId=second)["Aliases"]
    assert (listed["AliasName"], listed["TargetKeyId"]) == (name, second.rpartition("/")[2])
    client.delete_alias(AliasName=name)
    with refused("NotFoundException"):
        client.describe_key(KeyId=name)
    with refused("NotFoundException"):
        client.delete_alias(AliasName=name)


def test_an_alias_moves_between_keys_of_one_kind_only(kms_cast: Cast) -> None:
    encrypts = kms_cast.key()
    macs, longer = (
        kms_cast.key(KeySpec=spec, KeyUsage="GENERATE_VERIFY_MAC")
        for spec in ("HMAC_256", "HMAC_512")
    )
    client = kms_cast.kms("operator")
    name = f"alias/tenants/{macs[-12:]}"
    client.create_alias(AliasName=name, TargetKeyId=macs)
    with refused("ValidationException", "same type"):
        client.update_alias(AliasName=name, TargetKeyId=encrypts)
    assert client.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == macs
    client.update_alias(AliasName=name, TargetKeyId=longer)
    assert client.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == longer


def test_aliases_are_each_regions_own(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    name = f"alias/tenants/{arn[-12:]}"
    kms_cast.kms("operator").create_alias(AliasName=name, TargetKeyId=arn)
    with refused("NotFoundException"):
        kms_cast.kms("operator", WEST).describe_key(KeyId=name)
    kms_cast.kms("operator", WEST).create_alias(AliasName=name, TargetKeyId=replica)
    shown = kms_cast.kms("operator", WEST).describe_key(KeyId=name)["KeyMetadata"]
    assert shown["Arn"] == replica


def test_a_reserved_or_shapeless_alias_name_is_refused(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    with refused("NotAuthorizedException"):
        client.create_alias(AliasName="alias/aws/mine", TargetKeyId=arn)
    with refused("ValidationException"):
        client.create_alias(AliasName="mine", TargetKeyId=arn)
    with refused("InvalidAliasNameException"):
        client.create_alias(AliasName="alias/a:b", TargetKeyId=arn)


def test_an_operation_that_takes_no_alias_refuses_one(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    name = f"alias/tenants/{arn[-12:]}"
    client.create_alias(AliasName=name, TargetKeyId=arn)
    with refused("NotFoundException", "Invalid keyId"):
        client.disable_key(KeyId=name)
    with refused("NotFoundException", "Invalid keyId"):
        client.schedule_key_deletion(KeyId=name)


def test_tags_are_added_changed_listed_and_taken_away(kms_cast: Cast) -> None:
    arn = kms_cast.key(Tags=[{"TagKey": "tenant", "TagValue": "acme"}])
    client = kms_cast.kms("operator")
    client.tag_resource(
        KeyId=arn,
        Tags=[{"TagKey": "tenant", "TagValue": "globex"}, {"TagKey": "tier", "TagValue": ""}],
    )
    assert client.list_resource_tags(KeyId=arn)["Tags"] == [
        {"TagKey": "tenant", "TagValue": "globex"},
        {"TagKey": "tier", "TagValue": ""},
    ]
    client.untag_resource(KeyId=arn, TagKeys=["tenant", "absent"])
    assert client.list_resource_tags(KeyId=arn)["Tags"] == [{"TagKey": "tier", "TagValue": ""}]
    with refused("TagException"):
        client.tag_resource(KeyId=arn, Tags=[{"TagKey": "aws:x", "TagValue": ""}])
    with refused("TagException"):
        client.tag_resource(
            KeyId=arn, Tags=[{"TagKey": f"k{n}", "TagValue": ""} for n in range(50)]
        )


def test_a_description_is_changed_in_its_own_region(kms_cast: Cast) -> None:
    arn = kms_cast.key(Description="first")
    replica = kms_cast.replica(arn, WEST, Description="west")
    kms_cast.kms("operator").update_key_description(KeyId=arn, Description="second")
    shown = [
        kms_cast.kms("operator", key.split(":")[3]).describe_key(KeyId=key)["KeyMetadata"][
            "Description"
        ]
        for key in (arn, replica)
    ]
    assert shown == ["second", "west"]


def test_the_caller_learns_who_it_is(kms_cast: Cast) -> None:
    who = kms_cast.client("sts", "nobody", HOME).get_caller_identity()
    assert who["Account"] == ACCOUNT
    assert who["Arn"] == session("nobody")
    assert ROOT.split(":")[4] == who["Account"]


def test_what_kms_has_and_the_stand_in_has_not_is_refused_by_name(kms_cast: Cast) -> None:
    kms_cast.need_stand_in()
    with refused("UnknownOperationException"):
        kms_cast.kms("operator").describe_custom_key_stores()
    with refused("UnsupportedOperationException"):
        kms_cast.kms("operator").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    with refused("UnsupportedOperationException"):
        kms_cast.kms("operator").create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId="cks-1")


@pytest.mark.parametrize(
    ("list_page", "most"),
    [
        (lambda client, _arn, limit: client.list_keys(Limit=limit), 1000),
        (lambda client, _arn, limit: client.list_aliases(Limit=limit), 100),
        (lambda client, arn, limit: client.list_resource_tags(KeyId=arn, Limit=limit), 50),
        (lambda client, arn, limit: client.list_grants(KeyId=arn, Limit=limit), 100),
        (lambda client, arn, limit: client.list_key_rotations(KeyId=arn, Limit=limit), 1000),
        (lambda client, arn, limit: client.list_key_policies(KeyId=arn, Limit=limit), 1000),
    ],
)
def test_each_list_has_its_own_largest_page(
    kms_cast: Cast, list_page: Callable[[Any, str, int], Any], most: int
) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    list_page(client, arn, 1)
    list_page(client, arn, most)
    with refused("ValidationException"):
        list_page(client, arn, most + 1)


def test_lists_without_a_limit_come_in_pages_of_aws(tmp_path: Path) -> None:
    with standing_in(tmp_path, transition_seconds=0) as cast:
        client = cast.kms("operator")
        arns = [cast.key(MultiRegion=False) for _ in range(101)]
        for number, arn in enumerate(arns[:51]):
            client.create_alias(AliasName=f"alias/{number}", TargetKeyId=arn)
        first = client.list_keys()
        assert (len(first["Keys"]), first["Truncated"]) == (100, True)
        rest = client.list_keys(Marker=first["NextMarker"])
        assert (len(rest["Keys"]), rest["Truncated"]) == (1, False)
        assert "NextMarker" not in rest
        assert len(client.list_aliases()["Aliases"]) == 50


def test_a_marker_stays_right_when_keys_come_between_two_pages(kms_cast: Cast) -> None:
    client = kms_cast.kms("operator")
    before = {kms_cast.key() for _ in range(3)}
    page = client.list_keys(Limit=2)
    found = [item["KeyArn"] for item in page["Keys"]]
    new = {kms_cast.key() for _ in range(3)}
    while page["Truncated"]:
        page = client.list_keys(Limit=2, Marker=page["NextMarker"])
        found += [item["KeyArn"] for item in page["Keys"]]
    assert before <= set(found)
    assert len(found) == len(set(found))
    assert new


def test_a_key_has_at_most_50_aliases(kms_cast: Cast) -> None:
    arn, other = kms_cast.key(), kms_cast.key()
    client = kms_cast.kms("operator")
    names = [f"alias/many/{arn[-12:]}/{number}" for number in range(51)]
    for name in names[:50]:
        client.create_alias(AliasName=name, TargetKeyId=arn)
    with refused("LimitExceededException"):
        client.create_alias(AliasName=names[50], TargetKeyId=arn)
    client.create_alias(AliasName=names[50], TargetKeyId=other)
    with refused("LimitExceededException"):
        client.update_alias(AliasName=names[50], TargetKeyId=arn)


def test_an_account_has_only_so_many_keys_in_a_region(tmp_path: Path) -> None:
    """100,000 unless AWS grants more; replicas and keys pending deletion count as any other."""
    if ON_AWS:
        pytest.skip("This test starts a stand-in of its own.")
    identities = tmp_path / "identities.json"
    identities.write_text(json.dumps(IDENTITIES))
    flags = ["--max-keys=2", "--transition-seconds=0"]
    with KmsStandIn(tmp_path / "state", identities, (HOME, WEST), flags) as stand_in:
        cast = Cast(stand_in)
        first, second = cast.key(), cast.key()
        cast.kms("operator").schedule_key_deletion(KeyId=second, PendingWindowInDays=7)
        with refused("LimitExceededException"):
            cast.key()
        cast.kms("stranger").create_key()
        cast.replica(first, WEST)
        cast.kms("operator", WEST).create_key()
        stand_in.advance_clock(8 * 86_400)
        third = cast.key()
        with refused("LimitExceededException"):
            cast.replica(third, WEST)
        with refused("AlreadyExistsException"):
            cast.replica(first, WEST)


def test_a_new_key_takes_as_many_tags_as_a_key_may_carry(kms_cast: Cast) -> None:
    tags = [{"TagKey": f"k{number}", "TagValue": "v" * 256} for number in range(50)]
    arn = kms_cast.key(Tags=tags)
    assert len(kms_cast.kms("operator").list_resource_tags(KeyId=arn)["Tags"]) == 50
    client = kms_cast.kms("operator")
    with refused("TagException"):
        client.create_key(Tags=[*tags, {"TagKey": "more", "TagValue": ""}])
    with refused("TagException"):
        client.create_key(Tags=[tags[0], tags[0]])
    for wrong in ({"TagKey": "k" * 129, "TagValue": ""}, {"TagKey": "k", "TagValue": "v" * 257}):
        with refused("ValidationException"):
            client.tag_resource(KeyId=arn, Tags=[wrong])
