"""The trail: what CloudTrail would show of each call, and never a secret."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.kms.trail import Trail, read_events
from tests.sandbox.kms_cast import EUROPE, HOME, REGIONS, WEST, Cast, refused

CONTEXT = {"tenant": "acme", "class": "pii", "purpose": "record"}


def last(cast: Cast, region: str, name: str) -> dict[str, Any]:
    return next(
        event for event in reversed(cast.stand_in.events(region)) if event["eventName"] == name
    )


def test_an_event_says_who_did_what_with_which_key_in_which_context(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    made = kms_cast.kms("operator").generate_data_key(
        KeyId=arn, KeySpec="AES_256", EncryptionContext=CONTEXT
    )
    answer = kms_cast.kms("operator", WEST).decrypt(
        CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT, KeyId=replica
    )
    event = last(kms_cast, WEST, "Decrypt")
    assert event["eventSource"] == "kms.amazonaws.com"
    assert event["awsRegion"] == WEST
    assert event["userIdentity"]["type"] == "AssumedRole"
    assert event["userIdentity"]["arn"] == "arn:aws:sts::111122223333:assumed-role/operator/test"
    who = kms_cast.client("sts", "operator", WEST).get_caller_identity()
    assert event["userIdentity"]["principalId"] == who["UserId"]
    issuer = event["userIdentity"]["sessionContext"]["sessionIssuer"]
    assert issuer["arn"] == "arn:aws:iam::111122223333:role/operator"
    assert event["requestParameters"] == {
        "keyId": replica,
        "encryptionContext": CONTEXT,
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    assert event["resources"] == [
        {"accountId": "111122223333", "type": "AWS::KMS::Key", "ARN": replica}
    ]
    assert event["requestID"] == answer["ResponseMetadata"]["RequestId"]
    assert event["readOnly"] is True
    assert event["additionalEventData"] == {"keyMaterialId": answer["KeyMaterialId"]}
    assert "errorCode" not in event
    datetime.strptime(event["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def test_a_refused_call_is_in_the_trail_with_its_error(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    with refused("AccessDeniedException"):
        kms_cast.kms("nobody").generate_data_key(
            KeyId=arn, KeySpec="AES_256", EncryptionContext=CONTEXT
        )
    event = last(kms_cast, HOME, "GenerateDataKey")
    assert event["errorCode"] == "AccessDenied"
    assert "is not authorized to perform: kms:GenerateDataKey" in event["errorMessage"]
    assert event["userIdentity"]["arn"].endswith("assumed-role/nobody/test")
    assert event["requestParameters"]["encryptionContext"] == CONTEXT
    assert [item["ARN"] for item in event["resources"]] == [arn]
    kms_cast.kms("operator").disable_key(KeyId=arn)
    with refused("DisabledException"):
        kms_cast.kms("operator").encrypt(KeyId=arn, Plaintext=b"x")
    assert last(kms_cast, HOME, "Encrypt")["errorCode"] == "DisabledException"
    with refused("NotFoundException"):
        kms_cast.kms("operator").describe_key(KeyId="alias/never")
    assert last(kms_cast, HOME, "DescribeKey")["errorCode"] == "NotFoundException"


def test_no_plaintext_ciphertext_or_material_is_ever_in_the_trail(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    secret = b"4111 1111 1111 1111"
    blobs = [client.encrypt(KeyId=arn, Plaintext=secret)["CiphertextBlob"]]
    made = client.generate_data_key(KeyId=arn, KeySpec="AES_256")
    client.decrypt(CiphertextBlob=blobs[0])
    moved = client.re_encrypt(CiphertextBlob=blobs[0], DestinationKeyId=arn)["CiphertextBlob"]
    random = client.generate_random(NumberOfBytes=24)["Plaintext"]
    text = "".join(map(json.dumps, kms_cast.stand_in.events(HOME)))
    for hidden in (secret, *blobs, moved, made["Plaintext"], made["CiphertextBlob"], random):
        assert b64encode(hidden).decode() not in text
        assert hidden.decode("latin-1") not in text


def test_a_replication_is_a_replicate_key_at_home_and_a_create_key_over_there(
    kms_cast: Cast,
) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, EUROPE)
    there = last(kms_cast, EUROPE, "CreateKey")
    assert [item["ARN"] for item in there["resources"]] == [replica]
    here = last(kms_cast, HOME, "ReplicateKey")
    assert here["requestParameters"]["replicaRegion"] == EUROPE
    assert here["responseElements"]["replicaKeyMetadata"]["arn"] == replica
    assert here["readOnly"] is False


def pages(
    cast: Cast, who: str = "audit", region: str = HOME, **arguments: Any
) -> list[dict[str, Any]]:
    cast.need_stand_in()
    paginator = cast.client("cloudtrail", who, region).get_paginator("lookup_events")
    return [event for page in paginator.paginate(**arguments) for event in page["Events"]]


def attribute(key: str, value: str) -> list[dict[str, str]]:
    return [{"AttributeKey": key, "AttributeValue": value}]


def test_lookup_finds_events_of_one_key_newest_first(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    for number in range(130):
        client.encrypt(KeyId=arn, Plaintext=b"x", EncryptionContext={"n": str(number)})
    found = pages(kms_cast, LookupAttributes=attribute("ResourceName", arn))
    assert [event["EventName"] for event in found] == ["Encrypt"] * 130 + ["CreateKey"]
    numbers = [
        json.loads(event["CloudTrailEvent"])["requestParameters"]["encryptionContext"]["n"]
        for event in found[:-1]
    ]
    assert numbers == [str(number) for number in reversed(range(130))]
    assert found[0]["Resources"] == [{"ResourceType": "AWS::KMS::Key", "ResourceName": arn}]
    assert found[0]["Username"] == "test"
    assert len({event["EventId"] for event in found}) == 131


def test_lookup_is_each_regions_own_and_filters(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    replica = kms_cast.replica(arn, WEST)
    kms_cast.kms("operator", WEST).encrypt(KeyId=replica, Plaintext=b"x")
    by_key = attribute("ResourceName", replica)
    assert [e["EventName"] for e in pages(kms_cast, region=WEST, LookupAttributes=by_key)] == [
        "Encrypt",
        "CreateKey",
    ]
    assert pages(kms_cast, LookupAttributes=by_key) == []
    names = {
        e["EventName"]
        for e in pages(kms_cast, LookupAttributes=attribute("EventName", "CreateKey"))
    }
    assert names == {"CreateKey"}
    writes = pages(kms_cast, LookupAttributes=attribute("ReadOnly", "false"))
    assert {"Encrypt", "Decrypt"}.isdisjoint(event["EventName"] for event in writes)
    assert pages(kms_cast, LookupAttributes=attribute("Username", "nobody-of-this-name")) == []


def test_lookup_filters_by_time(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    by_key = attribute("ResourceName", arn)
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    assert (
        len(pages(kms_cast, LookupAttributes=by_key, StartTime=now - hour, EndTime=now + hour)) == 1
    )
    assert pages(kms_cast, LookupAttributes=by_key, StartTime=now + hour) == []
    assert pages(kms_cast, LookupAttributes=by_key, EndTime=now - hour) == []
    client = kms_cast.client("cloudtrail", "audit", HOME)
    with refused("InvalidTimeRangeException"):
        client.lookup_events(StartTime=now, EndTime=now - hour)
    with refused("InvalidLookupAttributesException"):
        client.lookup_events(LookupAttributes=by_key + attribute("EventName", "Decrypt"))
    with refused("InvalidNextTokenException"):
        client.lookup_events(NextToken="x")


def test_only_who_may_audit_reads_the_trail(kms_cast: Cast) -> None:
    with refused("AccessDeniedException", "cloudtrail:LookupEvents"):
        kms_cast.client("cloudtrail", "nobody", HOME).lookup_events()


def test_an_event_belongs_to_the_key_by_any_name(kms_cast: Cast) -> None:
    arn = kms_cast.key()
    client = kms_cast.kms("operator")
    name = f"alias/tenants/{arn[-12:]}"
    client.create_alias(AliasName=name, TargetKeyId=arn)
    client.encrypt(KeyId=name, Plaintext=b"x")
    event = last(kms_cast, HOME, "Encrypt")
    assert event["requestParameters"]["keyId"] == name
    assert [item["ARN"] for item in event["resources"]] == [arn]
    kinds = [item["type"] for item in last(kms_cast, HOME, "CreateAlias")["resources"]]
    assert kinds == ["AWS::KMS::Key", "AWS::KMS::Alias"]


@pytest.mark.parametrize("count", [0, 1, 3, 700])
def test_lines_are_read_backwards_from_any_position(tmp_path: Path, count: int) -> None:
    trail = Trail(tmp_path, REGIONS)
    for number in range(count):
        trail.record(HOME, {"n": number, "fill": "x" * (number * 37 % 500)})
    lines = list(trail.lines(HOME))
    assert [json.loads(line)["n"] for _, line in lines] == list(reversed(range(count)))
    for position, line in lines[:: max(1, count // 20)]:
        older = [json.loads(item)["n"] for _, item in trail.lines(HOME, position)]
        assert older == list(reversed(range(json.loads(line)["n"])))
    trail.close()


def test_a_line_that_a_killed_process_left_unfinished_does_no_harm(tmp_path: Path) -> None:
    trail = Trail(tmp_path, (HOME,))
    trail.record(HOME, {"n": 1})
    trail.close()
    path = tmp_path / f"{HOME}.jsonl"
    with path.open("ab") as file:
        file.write(b'{"n": 2, "cut')
    trail = Trail(tmp_path, (HOME,))
    trail.record(HOME, {"n": 3})
    trail.close()
    assert [event["n"] for event in read_events(path)] == [1, 3]
    assert path.stat().st_mode & 0o777 == 0o600


def numbers(trail: Trail, end: int | None = None) -> list[int]:
    return [json.loads(line)["n"] for _, line in trail.lines(HOME, end)]


def test_a_full_file_is_put_away_and_read_on_as_if_it_were_one(tmp_path: Path) -> None:
    trail = Trail(tmp_path, REGIONS, file_bytes=1000)
    for number in range(200):
        trail.record(HOME, {"n": number, "fill": "x" * (number * 37 % 90)})
    assert len(list(tmp_path.glob(f"{HOME}.*.jsonl"))) > 5
    lines = list(trail.lines(HOME))
    assert numbers(trail) == list(reversed(range(200)))
    assert [event["n"] for event in read_events(tmp_path / f"{HOME}.jsonl")] == list(range(200))
    for position, line in lines[::9]:
        assert numbers(trail, position) == list(reversed(range(json.loads(line)["n"])))
    onward = list(trail.lines_from(HOME, 0))
    assert [json.loads(line)["n"] for _, line in onward] == list(range(200))
    end, line = onward[120]
    after = [json.loads(item)["n"] for _, item in trail.lines_from(HOME, end)]
    assert after == list(range(json.loads(line)["n"] + 1, 200))
    trail.close()


def test_a_restart_goes_on_at_the_same_positions(tmp_path: Path) -> None:
    for number in range(60):  # one event a run; some runs end right after a file was put away
        trail = Trail(tmp_path, REGIONS, file_bytes=100)
        trail.record(HOME, {"n": number})
        trail.close()
    trail = Trail(tmp_path, REGIONS, file_bytes=100)
    assert numbers(trail) == list(reversed(range(60)))
    positions = [position for position, _ in trail.lines(HOME)]
    assert positions == sorted(positions, reverse=True)
    assert len(set(positions)) == 60
    trail.close()


def test_old_files_are_let_go_once_they_are_delivered_and_the_newest_stay(tmp_path: Path) -> None:
    trail = Trail(tmp_path, REGIONS, file_bytes=1000)
    for number in range(200):
        trail.record(HOME, {"n": number, "fill": "x" * 50})
    trail.forget(HOME, 0)
    assert len(numbers(trail)) == 200, "nothing is delivered, so nothing goes"
    delivered = list(trail.lines_from(HOME, 0))[-1][0]
    trail.forget(HOME, delivered)
    assert len(list(tmp_path.glob(f"{HOME}.*.jsonl"))) == 3
    kept = numbers(trail)
    assert kept == list(range(199, 199 - len(kept), -1))
    assert numbers(trail, 10) == [], "a page token of long ago finds nothing, and does not fail"
    trail.close()
