"""Scheduled deletion, with a clock that the tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sandbox.kms_cast import HOME, WEST, Cast, refused, standing_in

DAY = 86_400.0


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in whose clock these tests may move: keys of one are never those of another."""
    with standing_in(tmp_path_factory.mktemp("kms"), transition_seconds=0) as cast:
        yield cast


def state(cast: Cast, arn: str) -> str:
    client = cast.kms("operator", arn.split(":")[3])
    return str(client.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"])


def test_a_key_pending_deletion_is_of_no_use_and_is_gone_after_the_waiting_period(
    clocked: Cast,
) -> None:
    arn = clocked.key()
    client = clocked.kms("operator")
    name = f"alias/tenants/{arn[-12:]}"
    client.create_alias(AliasName=name, TargetKeyId=arn)
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    answer = client.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert (answer["KeyState"], answer["PendingWindowInDays"]) == ("PendingDeletion", 7)
    assert client.describe_key(KeyId=arn)["KeyMetadata"]["DeletionDate"] == answer["DeletionDate"]
    uses: list[Callable[[], Any]] = [
        lambda: client.decrypt(CiphertextBlob=blob),
        lambda: client.encrypt(KeyId=arn, Plaintext=b"x"),
        lambda: client.enable_key(KeyId=arn),
        lambda: client.disable_key(KeyId=arn),
        lambda: client.schedule_key_deletion(KeyId=arn),
        lambda: client.create_alias(AliasName=f"{name}2", TargetKeyId=arn),
        lambda: client.tag_resource(KeyId=arn, Tags=[{"TagKey": "a", "TagValue": ""}]),
        lambda: client.replicate_key(KeyId=arn, ReplicaRegion=WEST),
        lambda: client.enable_key_rotation(KeyId=arn),
    ]
    for use in uses:
        with refused("KMSInvalidStateException", f"{arn} is pending deletion."):
            use()
    clocked.stand_in.advance_clock(7 * DAY)
    with refused("NotFoundException"):
        client.describe_key(KeyId=arn)
    with refused("NotFoundException"):
        client.describe_key(KeyId=name)
    with refused("AccessDeniedException"):
        client.decrypt(CiphertextBlob=blob)


def test_a_key_pending_deletion_keeps_its_aliases_and_tags_until_it_is_gone(clocked: Cast) -> None:
    """What searches by tag or alias finds it while it can be kept, and the names are free again afterwards."""
    arn = clocked.key(Tags=[{"TagKey": "tenant", "TagValue": "initech"}])
    client = clocked.kms("operator")
    names = [f"alias/tenants/{arn[-12:]}/{number}" for number in range(3)]
    for name in names:
        client.create_alias(AliasName=name, TargetKeyId=arn)
    client.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)

    def found() -> list[str]:
        tagging = clocked.client("resourcegroupstaggingapi", "operator", HOME)
        answer = tagging.get_resources(TagFilters=[{"Key": "tenant", "Values": ["initech"]}])
        return [item["ResourceARN"] for item in answer["ResourceTagMappingList"]]

    assert found() == [arn]
    listed = client.list_aliases(KeyId=arn, Limit=2)
    assert [item["AliasName"] for item in listed["Aliases"]] == names[:2]
    rest = client.list_aliases(KeyId=arn, Limit=2, Marker=listed["NextMarker"])
    assert [item["AliasName"] for item in rest["Aliases"]] == names[2:]
    assert client.list_resource_tags(KeyId=arn)["Tags"] == [
        {"TagKey": "tenant", "TagValue": "initech"}
    ]
    client.delete_alias(AliasName=names[0])
    with refused("KMSInvalidStateException"):
        client.untag_resource(KeyId=arn, TagKeys=["tenant"])

    clocked.stand_in.advance_clock(7 * DAY)
    assert found() == []
    other = clocked.key()
    client.create_alias(AliasName=names[1], TargetKeyId=other)
    assert client.describe_key(KeyId=names[1])["KeyMetadata"]["Arn"] == other


def test_a_cancelled_deletion_leaves_the_key_disabled(clocked: Cast) -> None:
    arn = clocked.key()
    client = clocked.kms("operator")
    with refused("KMSInvalidStateException", "not pending deletion"):
        client.cancel_key_deletion(KeyId=arn)
    client.schedule_key_deletion(KeyId=arn)
    client.cancel_key_deletion(KeyId=arn)
    assert state(clocked, arn) == "Disabled"
    with refused("KMSInvalidStateException", "not pending deletion"):
        client.cancel_key_deletion(KeyId=arn)
    clocked.stand_in.advance_clock(31 * DAY)
    client.enable_key(KeyId=arn)
    assert state(clocked, arn) == "Enabled"


@pytest.mark.parametrize("days", [6, 31])
def test_the_waiting_period_is_7_to_30_days(clocked: Cast, days: int) -> None:
    arn = clocked.key()
    with refused("ValidationException"):
        clocked.kms("operator").schedule_key_deletion(KeyId=arn, PendingWindowInDays=days)
    assert state(clocked, arn) == "Enabled"


def test_a_primary_waits_for_its_last_replica_before_its_own_waiting_period_begins(
    clocked: Cast,
) -> None:
    arn = clocked.key()
    replica = clocked.replica(arn, WEST)
    client, west = clocked.kms("operator"), clocked.kms("operator", WEST)
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    answer = client.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    assert answer["KeyState"] == "PendingReplicaDeletion"
    assert "DeletionDate" not in answer
    with refused("KMSInvalidStateException", "pending replica deletion"):
        client.decrypt(CiphertextBlob=blob)
    clocked.stand_in.advance_clock(40 * DAY)
    assert state(clocked, arn) == "PendingReplicaDeletion"
    assert west.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"  # the replica lives on
    west.schedule_key_deletion(KeyId=replica, PendingWindowInDays=10)
    shown = client.describe_key(KeyId=arn)["KeyMetadata"]
    assert [item["Arn"] for item in shown["MultiRegionConfiguration"]["ReplicaKeys"]] == [replica]
    clocked.stand_in.advance_clock(10 * DAY)
    assert state(clocked, arn) == "PendingDeletion"
    with refused("NotFoundException"):
        west.describe_key(KeyId=replica)
    clocked.stand_in.advance_clock(6 * DAY)
    assert state(clocked, arn) == "PendingDeletion"
    clocked.stand_in.advance_clock(1 * DAY)
    with refused("NotFoundException"):
        client.describe_key(KeyId=arn)


def test_a_primary_that_waits_for_replicas_can_be_kept(clocked: Cast) -> None:
    arn = clocked.key()
    clocked.replica(arn, WEST)
    client = clocked.kms("operator")
    client.schedule_key_deletion(KeyId=arn)
    client.cancel_key_deletion(KeyId=arn)
    assert state(clocked, arn) == "Disabled"


def test_a_deleted_replica_can_be_made_again_with_the_same_material(clocked: Cast) -> None:
    arn = clocked.key()
    replica = clocked.replica(arn, WEST)
    client, west = clocked.kms("operator"), clocked.kms("operator", WEST)
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    west.schedule_key_deletion(KeyId=replica, PendingWindowInDays=7)
    with refused("AlreadyExistsException"):
        clocked.replica(arn, WEST)
    clocked.stand_in.advance_clock(7 * DAY)
    assert clocked.replica(arn, WEST) == replica
    assert west.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"
    assert state(clocked, arn) == "Enabled"
