"""Rotation: set on the primary, the same in every Region, and no ciphertext is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.sandbox.kms_cast import HOME, ROOT, WEST, Cast, refused, standing_in, statement

DAY = 86_400.0


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A stand-in whose clock these tests may move."""
    with standing_in(tmp_path_factory.mktemp("kms"), transition_seconds=0) as cast:
        yield cast


def rotations(cast: Cast, arn: str) -> list[str]:
    client = cast.kms("operator", arn.split(":")[3])
    return [row["RotationType"] for row in client.list_key_rotations(KeyId=arn)["Rotations"]]


def test_rotation_is_set_on_the_primary_and_shown_by_every_related_key(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    client, west = kms_cast.kms("operator"), kms_cast.kms("operator", WEST)
    assert client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is False
    client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=180)
    shown = west.get_key_rotation_status(KeyId=replica)
    assert (shown["KeyRotationEnabled"], shown["RotationPeriodInDays"]) == (True, 180)
    with refused("UnsupportedOperationException"):
        west.disable_key_rotation(KeyId=replica)
    with refused("ValidationException"):
        client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=2561)
    client.disable_key_rotation(KeyId=arn)
    assert west.get_key_rotation_status(KeyId=replica)["KeyRotationEnabled"] is False


def test_a_disabled_key_does_not_take_rotation(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    client.disable_key(KeyId=arn)
    with refused("DisabledException"):
        client.enable_key_rotation(KeyId=arn)
    assert client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is False


def test_old_and_new_ciphertexts_open_in_every_region_after_a_rotation(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    client, west = kms_cast.kms("operator"), kms_cast.kms("operator", WEST)
    old = client.generate_data_key(KeyId=arn, KeySpec="AES_256")
    client.rotate_key_on_demand(KeyId=arn)
    new = client.generate_data_key(KeyId=arn, KeySpec="AES_256")
    assert old["KeyMaterialId"] != new["KeyMaterialId"]
    assert old["KeyId"] == new["KeyId"]
    for made in (old, new):
        opened = west.decrypt(CiphertextBlob=made["CiphertextBlob"])
        assert opened["Plaintext"] == made["Plaintext"]
        assert opened["KeyMaterialId"] == made["KeyMaterialId"]
    shown = west.describe_key(KeyId=replica)["KeyMetadata"]
    assert shown["CurrentKeyMaterialId"] == new["KeyMaterialId"]
    (rotation,) = client.list_key_rotations(KeyId=arn)["Rotations"]
    assert (rotation["RotationType"], rotation["KeyMaterialId"]) == (
        "ON_DEMAND",
        new["KeyMaterialId"],
    )


def test_rotations_are_listed_in_pages(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    for _ in range(12):
        client.rotate_key_on_demand(KeyId=arn)
    pages = client.get_paginator("list_key_rotations").paginate(
        KeyId=arn, IncludeKeyMaterial="ALL_KEY_MATERIAL", PaginationConfig={"PageSize": 5}
    )
    rows = [row for page in pages for row in page["Rotations"]]
    assert len({row["KeyMaterialId"] for row in rows}) == 13
    assert [row["KeyMaterialState"] for row in rows] == ["NON_CURRENT"] * 12 + ["CURRENT"]


def test_a_key_rotates_on_demand_25_times(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    for _ in range(25):
        client.rotate_key_on_demand(KeyId=arn)
    with refused("LimitExceededException"):
        client.rotate_key_on_demand(KeyId=arn)


def test_a_key_rotates_by_itself_when_its_date_has_come(clocked: Cast) -> None:
    arn = clocked.key()
    replica = clocked.replica(arn, WEST)
    client, west = clocked.kms("operator"), clocked.kms("operator", WEST)
    client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    first = client.get_key_rotation_status(KeyId=arn)["NextRotationDate"]
    old = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    clocked.stand_in.advance_clock(89 * DAY)
    assert rotations(clocked, arn) == []
    clocked.stand_in.advance_clock(DAY)
    [row] = west.list_key_rotations(KeyId=replica)["Rotations"]
    assert (row["RotationType"], row["RotationDate"]) == ("AUTOMATIC", first)
    new = client.generate_data_key(KeyId=arn, KeySpec="AES_256")
    assert new["KeyMaterialId"] == row["KeyMaterialId"]
    assert west.decrypt(CiphertextBlob=old)["Plaintext"] == b"hello"
    assert west.decrypt(CiphertextBlob=new["CiphertextBlob"])["Plaintext"] == new["Plaintext"]
    following = west.get_key_rotation_status(KeyId=replica)["NextRotationDate"]
    assert following == first + timedelta(days=90)
    clocked.stand_in.advance_clock(300 * DAY)
    assert rotations(clocked, replica) == ["AUTOMATIC"] * 4


def test_a_rotation_on_demand_does_not_move_the_date(clocked: Cast) -> None:
    arn = clocked.key()
    client = clocked.kms("operator")
    client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=100)
    date = client.get_key_rotation_status(KeyId=arn)["NextRotationDate"]
    clocked.stand_in.advance_clock(60 * DAY)
    client.rotate_key_on_demand(KeyId=arn)
    assert client.get_key_rotation_status(KeyId=arn)["NextRotationDate"] == date
    clocked.stand_in.advance_clock(40 * DAY)
    assert rotations(clocked, arn) == ["ON_DEMAND", "AUTOMATIC"]


def test_none_is_rotated_on_demand_shortly_before_its_date(clocked: Cast) -> None:
    arn = clocked.key()
    client = clocked.kms("operator")
    client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    clocked.stand_in.advance_clock(90 * DAY - 19 * 60)
    with refused("ConflictException"):
        client.rotate_key_on_demand(KeyId=arn)
    clocked.stand_in.advance_clock(20 * 60)
    client.rotate_key_on_demand(KeyId=arn)
    kinds = [row["RotationType"] for row in client.list_key_rotations(KeyId=arn)["Rotations"]]
    assert kinds == ["AUTOMATIC", "ON_DEMAND"]


def test_a_disabled_key_rotates_when_it_is_enabled_again(clocked: Cast) -> None:
    arn = clocked.key()
    client = clocked.kms("operator")
    client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    client.disable_key(KeyId=arn)
    clocked.stand_in.advance_clock(200 * DAY)
    assert client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is True
    assert rotations(clocked, arn) == []
    client.enable_key(KeyId=arn)
    assert rotations(clocked, arn) == ["AUTOMATIC"]
    clocked.stand_in.advance_clock(90 * DAY)
    assert rotations(clocked, arn) == ["AUTOMATIC"] * 2


def test_rotation_pauses_while_a_key_is_pending_deletion(clocked: Cast) -> None:
    arn = clocked.key()
    client = clocked.kms("operator")
    client.enable_key_rotation(KeyId=arn)
    client.schedule_key_deletion(KeyId=arn)
    assert client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is False
    client.cancel_key_deletion(KeyId=arn)
    assert client.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"] is True


def test_another_period_counts_from_its_day(clocked: Cast) -> None:
    arn = clocked.key()
    client = clocked.kms("operator")
    client.enable_key_rotation(KeyId=arn)
    clocked.stand_in.advance_clock(100 * DAY)
    client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    clocked.stand_in.advance_clock(89 * DAY)
    assert rotations(clocked, arn) == []
    clocked.stand_in.advance_clock(DAY)
    assert rotations(clocked, arn) == ["AUTOMATIC"]
    client.disable_key_rotation(KeyId=arn)
    clocked.stand_in.advance_clock(1000 * DAY)
    assert rotations(clocked, arn) == ["AUTOMATIC"]


def test_the_rotation_belongs_to_the_key_that_is_primary_now(clocked: Cast) -> None:
    arn = clocked.key()
    replica = clocked.replica(arn, WEST)
    client, west = clocked.kms("operator"), clocked.kms("operator", WEST)
    client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)
    with refused("UnsupportedOperationException"):
        client.rotate_key_on_demand(KeyId=arn)
    clocked.stand_in.advance_clock(90 * DAY)
    assert rotations(clocked, arn) == ["AUTOMATIC"]
    west.rotate_key_on_demand(KeyId=replica)
    assert rotations(clocked, arn) == ["AUTOMATIC", "ON_DEMAND"]


def test_what_rotates_by_itself_is_in_the_trail(clocked: Cast) -> None:
    arn = clocked.key()
    clocked.replica(arn, WEST)
    client = clocked.kms("operator")
    client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=90)
    clocked.stand_in.advance_clock(90 * DAY)
    client.describe_key(KeyId=arn)
    events = [
        event
        for event in clocked.stand_in.events(HOME)
        if [item["ARN"] for item in event["resources"]] == [arn]
    ]
    assert [event["eventName"] for event in events] == [
        *("CreateKey", "SynchronizeMultiRegionKey", "ReplicateKey"),
        *("SynchronizeMultiRegionKey", "EnableKeyRotation"),
        *("RotateKey", "SynchronizeMultiRegionKey", "DescribeKey"),
    ]
    rotated = events[5]
    assert (rotated["eventType"], rotated["readOnly"]) == ("AwsServiceEvent", False)
    assert rotated["userIdentity"]["invokedBy"] == "AWS Internal"
    assert rotated["serviceEventDetails"] == {"keyId": arn.rpartition("/")[2]}
    assert events[6]["eventType"] == "AwsApiCall"
    assert events[6]["responseElements"] == {"keyId": arn}


def test_a_policy_can_limit_the_period(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement(
            "*",
            "kms:EnableKeyRotation",
            "Deny",
            NumericGreaterThan={"kms:RotationPeriodInDays": "365"},
        ),
    )
    client = kms_cast.kms("operator")
    with refused("AccessDeniedException", "explicit deny"):
        client.enable_key_rotation(KeyId=arn, RotationPeriodInDays=366)
    client.enable_key_rotation(KeyId=arn)
