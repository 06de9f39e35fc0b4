"""Rotation: set on the primary, the same in every Region, and no ciphertext is lost by it."""

from __future__ import annotations

from tests.sandbox.kms_cast import WEST, Cast, refused


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
