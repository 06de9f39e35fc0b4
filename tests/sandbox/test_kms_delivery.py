"""Log files in CloudTrail's S3 layout: whole, each event once, also after a crash, and bounded."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.kms.delivery import Delivery
from sandbox.kms.trail import Trail
from tests.sandbox.kms_cast import ACCOUNT, HOME, OTHER_ACCOUNT, REGIONS, WEST, standing_in

NAME = re.compile(
    r"AWSLogs/(?P<account>\d{12})/CloudTrail/(?P<region>[a-z0-9-]+)/(?P<day>\d{4}/\d\d/\d\d)/"
    r"(?P=account)_CloudTrail_(?P=region)_(?P<time>\d{8}T\d{4}Z)_[A-Z0-9]{16}\.json\.gz"
)


def event(number: int, account: str = ACCOUNT, time: str = "2026-08-31T23:59:58Z") -> Any:
    return {"n": number, "recipientAccountId": account, "eventTime": time, "fill": "x" * 50}


def files(bucket: Path, region: str = HOME) -> list[Path]:
    return sorted(bucket.glob(f"AWSLogs/*/CloudTrail/{region}/*/*/*/*"))


def records(bucket: Path, region: str = HOME) -> list[dict[str, Any]]:
    found = []
    for path in files(bucket, region):
        assert NAME.fullmatch(str(path.relative_to(bucket))), path
        document = json.loads(gzip.decompress(path.read_bytes()))
        assert list(document) == ["Records"]
        found += document["Records"]
    return found


def numbers(bucket: Path) -> list[int]:
    return sorted(record["n"] for record in records(bucket))


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return Trail(tmp_path / "trail", REGIONS, file_bytes=2000)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    return tmp_path / "bucket"


def test_each_event_is_delivered_once_to_its_account_region_and_day(
    trail: Trail, bucket: Path
) -> None:
    delivery = Delivery(trail, bucket)
    trail.record(HOME, event(1))
    trail.record(HOME, event(2, OTHER_ACCOUNT))
    trail.record(WEST, event(3, time="2026-09-01T00:00:00Z"))
    delivery.deliver()
    trail.record(HOME, event(4))
    delivery.deliver()
    delivery.deliver()
    assert numbers(bucket) == [1, 2, 4]
    assert [path.parts[-7] for path in files(bucket)] == [ACCOUNT, ACCOUNT, OTHER_ACCOUNT]
    [west] = files(bucket, WEST)
    assert f"AWSLogs/{ACCOUNT}/CloudTrail/{WEST}/2026/09/01/{ACCOUNT}_CloudTrail_" in str(west)
    assert "_20260901T0000Z_" in west.name
    assert west.stat().st_mode & 0o777 == 0o600


def test_many_events_come_in_files_of_bounded_size_through_rotation(
    trail: Trail, bucket: Path
) -> None:
    delivery = Delivery(trail, bucket, batch_bytes=1500)
    for number in range(100):
        trail.record(HOME, event(number))
    delivery.deliver()
    assert numbers(bucket) == list(range(100))
    assert len(files(bucket)) > 5
    assert len(list(trail.directory.glob(f"{HOME}.*.jsonl"))) == 3, "older files are let go"


def test_a_delivery_that_was_killed_between_file_and_note_repeats_itself_in_place(
    trail: Trail, bucket: Path
) -> None:
    trail.record(HOME, event(1))
    Delivery(trail, bucket).deliver()
    noted = (trail.directory / "delivered.json").read_bytes()
    trail.record(HOME, event(2))
    Delivery(trail, bucket).deliver()
    (trail.directory / "delivered.json").write_bytes(noted)  # as if the note were not yet written
    trail.record(HOME, event(3))
    Delivery(trail, bucket).deliver()
    assert numbers(bucket) == [1, 2, 3]
    assert len(files(bucket)) == 2


def test_half_a_line_and_half_a_file_do_no_harm(trail: Trail, bucket: Path) -> None:
    trail.record(HOME, event(1))
    trail.close()
    with (trail.directory / f"{HOME}.jsonl").open("ab") as file:
        file.write(b'{"n": 2, "cut')
    again = Trail(trail.directory, REGIONS)
    again.record(HOME, event(3))
    Delivery(again, bucket).deliver()
    assert numbers(bucket) == [1, 3]
    again.close()


def test_the_oldest_log_files_go_when_there_are_too_many(trail: Trail, bucket: Path) -> None:
    delivery = Delivery(trail, bucket, kept_bytes=500)
    for number in range(20):
        trail.record(HOME, event(number, time=f"2026-08-31T10:{number:02}:00Z"))
        delivery.deliver()
    kept = numbers(bucket)
    assert kept == list(range(20 - len(kept), 20))
    assert sum(path.stat().st_size for path in files(bucket)) <= 500


def test_a_replication_is_delivered_in_both_regions_and_the_rest_when_the_server_stops(
    tmp_path: Path,
) -> None:
    with standing_in(tmp_path, transition_seconds=0) as cast:
        arn = cast.key()
        replica = cast.replica(arn, WEST)
        bucket = cast.stand_in.deliver()
        names = {record["eventName"] for record in records(bucket)}
        assert names == {"CreateKey", "ReplicateKey", "SynchronizeMultiRegionKey"}
        [creation] = records(bucket, WEST)
        assert creation["eventName"] == "CreateKey"
        assert creation["resources"][0]["ARN"] == replica
        cast.kms("operator").list_keys()
    assert {record["eventName"] for record in records(bucket)} - names == {"ListKeys"}
    assert len(records(bucket)) == 4
