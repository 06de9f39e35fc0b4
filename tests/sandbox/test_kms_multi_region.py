"""Replicas: what related keys share, what is each Region's own, and how a replica comes to be."""

from __future__ import annotations

import json

from tests.sandbox.kms_cast import (
    ADMINISTERS,
    EUROPE,
    HOME,
    ROOT,
    WEST,
    Cast,
    document,
    refused,
    role,
    session,
    statement,
)

HOUR = 3600.0


def test_every_region_sees_the_same_relatives(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    west, europe = kms_cast.replica(arn, WEST), kms_cast.replica(arn, EUROPE)
    for region, key in ((HOME, arn), (WEST, west), (EUROPE, europe)):
        shown = kms_cast.kms("operator", region).describe_key(KeyId=key)["KeyMetadata"]
        relatives = shown["MultiRegionConfiguration"]
        assert relatives["MultiRegionKeyType"] == ("PRIMARY" if region == HOME else "REPLICA")
        assert relatives["PrimaryKey"] == {"Arn": arn, "Region": HOME}
        assert relatives["ReplicaKeys"] == [
            {"Arn": europe, "Region": EUROPE},
            {"Arn": west, "Region": WEST},
        ]


def test_a_replica_is_creating_before_it_can_be_used(slow_cast: Cast) -> None:
    arn = slow_cast.key()
    client = slow_cast.kms("operator")
    blob = client.encrypt(KeyId=arn, Plaintext=b"hello")["CiphertextBlob"]
    answer = client.replicate_key(KeyId=arn, ReplicaRegion=WEST)
    assert answer["ReplicaKeyMetadata"]["KeyState"] == "Creating"
    replica = answer["ReplicaKeyMetadata"]["Arn"]
    west = slow_cast.kms("operator", WEST)
    with refused("KMSInvalidStateException", f"{replica} is pending creation."):
        west.decrypt(CiphertextBlob=blob)
    with refused("KMSInvalidStateException", "pending creation"):
        west.generate_data_key(KeyId=replica, KeySpec="AES_256")
    west.create_alias(AliasName="alias/early", TargetKeyId=replica)  # it can be managed meanwhile
    west.tag_resource(KeyId=replica, Tags=[{"TagKey": "a", "TagValue": "b"}])
    slow_cast.stand_in.advance_clock(HOUR)
    assert west.describe_key(KeyId=replica)["KeyMetadata"]["KeyState"] == "Enabled"
    assert west.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"


def test_policy_state_tags_and_description_are_each_regions_own(kms_cast: Cast) -> None:
    arn = kms_cast.key(Description="home", Tags=[{"TagKey": "at", "TagValue": "home"}])
    policy = document(statement({"AWS": ROOT}, "kms:*"), ADMINISTERS)
    answer = kms_cast.kms("operator").replicate_key(
        KeyId=arn,
        ReplicaRegion=WEST,
        Policy=policy,
        Description="west",
        Tags=[{"TagKey": "at", "TagValue": "west"}],
    )
    assert answer["ReplicaPolicy"] == policy
    assert answer["ReplicaTags"] == [{"TagKey": "at", "TagValue": "west"}]
    west = kms_cast.kms("operator", WEST)
    replica = answer["ReplicaKeyMetadata"]["Arn"]
    kms_cast.wait_for(replica)
    assert west.get_key_policy(KeyId=replica)["Policy"] == policy
    assert kms_cast.kms("operator").get_key_policy(KeyId=arn)["Policy"] != policy
    west.disable_key(KeyId=replica)
    assert kms_cast.kms("operator").describe_key(KeyId=arn)["KeyMetadata"]["KeyState"] == "Enabled"
    tags = kms_cast.kms("operator").list_resource_tags(KeyId=arn)["Tags"]
    assert tags == [{"TagKey": "at", "TagValue": "home"}]


def test_a_replica_without_a_policy_gets_the_default_one(kms_cast: Cast) -> None:
    arn = kms_cast.key(Policy=document(statement({"AWS": ROOT}, "kms:*"), ADMINISTERS))
    replica = kms_cast.replica(arn, WEST)
    policy = kms_cast.kms("operator", WEST).get_key_policy(KeyId=replica)["Policy"]
    (only,) = json.loads(policy)["Statement"]
    assert only["Sid"] == "Enable IAM User Permissions"
    assert (only["Principal"], only["Action"]) == ({"AWS": ROOT}, "kms:*")


def test_only_a_primary_is_replicated_and_once_a_region(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    with refused("AlreadyExistsException"):
        kms_cast.replica(arn, WEST)
    with refused("UnsupportedOperationException"):
        kms_cast.kms("operator", WEST).replicate_key(KeyId=replica, ReplicaRegion=EUROPE)
    with refused("NotFoundException"):
        kms_cast.kms("operator", EUROPE).replicate_key(KeyId=arn, ReplicaRegion=EUROPE)
    with refused("UnsupportedOperationException"):
        kms_cast.replica(kms_cast.key(MultiRegion=False), WEST)
    with refused("UnsupportedOperationException"):
        kms_cast.replica(arn, "ap-southeast-2")


def test_replication_needs_the_key_policys_consent_and_create_key_over_there(
    kms_cast: Cast,
) -> None:
    allowed = document(statement({"AWS": ROOT}, "kms:*"))
    arn = kms_cast.key(Policy=allowed)
    kms_cast.put_policy(
        arn,
        statement({"AWS": ROOT}, "kms:*"),
        statement("*", "kms:ReplicateKey", "Deny", StringNotEquals={"kms:ReplicaRegion": [WEST]}),
    )
    with refused("AccessDeniedException", "explicit deny in a resource-based policy"):
        kms_cast.replica(arn, EUROPE)
    kms_cast.replica(arn, WEST)
    kms_cast.put_policy(arn, statement({"AWS": role("nobody")}, ["kms:ReplicateKey"]))
    with refused("AccessDeniedException", "kms:CreateKey"):
        kms_cast.kms("nobody").replicate_key(KeyId=arn, ReplicaRegion=EUROPE)


def test_who_may_not_is_not_told_what_kind_of_key_it_is(kms_cast: Cast) -> None:
    single = kms_cast.key(MultiRegion=False)
    nobody = kms_cast.kms("nobody")
    with refused("AccessDeniedException", "kms:ReplicateKey"):
        nobody.replicate_key(KeyId=single, ReplicaRegion=WEST)
    with refused("AccessDeniedException", "kms:UpdatePrimaryRegion"):
        nobody.update_primary_region(KeyId=single, PrimaryRegion=WEST)
    with refused("UnsupportedOperationException", "not a multi-region key"):
        kms_cast.kms("operator").replicate_key(KeyId=single, ReplicaRegion=WEST)


def test_a_new_primary_is_updating_and_stays_usable(slow_cast: Cast) -> None:
    arn = slow_cast.key()
    client, west = slow_cast.kms("operator"), slow_cast.kms("operator", WEST)
    replica = slow_cast.replica(arn, WEST)
    with refused("KMSInvalidStateException"):
        client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)  # it is Creating still
    slow_cast.stand_in.advance_clock(HOUR)
    client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)
    for one, key in ((client, arn), (west, replica)):
        assert one.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Updating"
        blob = one.encrypt(KeyId=key, Plaintext=b"hello")["CiphertextBlob"]
        assert one.decrypt(CiphertextBlob=blob)["Plaintext"] == b"hello"
        with refused("KMSInvalidStateException", "updating"):
            one.disable_key(KeyId=key)
    slow_cast.stand_in.advance_clock(HOUR)
    shown = client.describe_key(KeyId=arn)["KeyMetadata"]
    assert shown["KeyState"] == "Enabled"
    assert shown["MultiRegionConfiguration"]["PrimaryKey"] == {"Arn": replica, "Region": WEST}
    with refused("UnsupportedOperationException"):
        client.replicate_key(KeyId=arn, ReplicaRegion=EUROPE)
    west.replicate_key(KeyId=replica, ReplicaRegion=EUROPE)


def test_the_primary_moves_only_to_an_enabled_replica(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    with refused("NotFoundException"):
        client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)
    replica = kms_cast.replica(arn, WEST)
    kms_cast.kms("operator", WEST).disable_key(KeyId=replica)
    with refused("DisabledException", replica):
        client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)
    with refused("UnsupportedOperationException"):
        kms_cast.kms("operator", WEST).update_primary_region(KeyId=replica, PrimaryRegion=HOME)


def test_a_moved_primary_is_recorded_in_both_regions(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    kms_cast.kms("operator").update_primary_region(KeyId=arn, PrimaryRegion=WEST)
    for region, key in ((HOME, arn), (WEST, replica)):
        event = kms_cast.stand_in.events(region)[-1]
        assert event["eventName"] == "UpdatePrimaryRegion"
        assert event["requestParameters"] == {"keyId": key, "primaryRegion": WEST}
        assert event["userIdentity"]["arn"] == session("operator")


def test_a_former_primary_is_a_replica_that_can_be_deleted_alone(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    client, west = kms_cast.kms("operator"), kms_cast.kms("operator", WEST)
    client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)
    assert client.schedule_key_deletion(KeyId=arn)["KeyState"] == "PendingDeletion"
    assert west.schedule_key_deletion(KeyId=replica)["KeyState"] == "PendingReplicaDeletion"
    shown = west.describe_key(KeyId=replica)["KeyMetadata"]
    assert shown["PendingDeletionWindowInDays"] == 30
    assert "DeletionDate" not in shown


def test_a_key_pending_deletion_neither_becomes_nor_stops_being_primary(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    client, west = kms_cast.kms("operator"), kms_cast.kms("operator", WEST)
    west.schedule_key_deletion(KeyId=replica)
    with refused("KMSInvalidStateException", replica):
        client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)
    west.cancel_key_deletion(KeyId=replica)
    west.enable_key(KeyId=replica)
    client.schedule_key_deletion(KeyId=arn)
    with refused("KMSInvalidStateException", arn):
        client.update_primary_region(KeyId=arn, PrimaryRegion=WEST)


def test_data_keys_of_every_region_open_in_every_other(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    arns = [arn, kms_cast.replica(arn, WEST), kms_cast.replica(arn, EUROPE)]
    for maker in arns:
        made = kms_cast.kms("operator", maker.split(":")[3]).generate_data_key(
            KeyId=maker, KeySpec="AES_256"
        )
        for opener in arns:
            client = kms_cast.kms("operator", opener.split(":")[3])
            opened = client.decrypt(CiphertextBlob=made["CiphertextBlob"], KeyId=opener)
            assert opened["Plaintext"] == made["Plaintext"]
