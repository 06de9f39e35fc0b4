"""Region after Region is lost under load, and the writer moves: no read fails, and no write is lost that was received.

The first test kills; the others go on with what it left, as an operator would.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from bench.failover_load import Load, running
from bench.failover_stage import Stage, stage_of_its_own
from sandbox.layout import PRIMARY, REGIONS

pytestmark = pytest.mark.timeout(400)
TARGET, THIRD = "us-west-1", "eu-west-1"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with stage_of_its_own() as made:
        yield made


def writes_after(load: Load, moment: float) -> int:
    return sum(1 for at in load.acknowledged.values() if at > moment)


def moment_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_a_region_is_lost_under_load_and_another_takes_over(stage: Stage) -> None:
    with running(stage.urls(TARGET, THIRD), stage.token, stage.known) as load:
        stage.until(lambda: len(load.acknowledged) > 100)
        stage.kill(PRIMARY)
        killed_at = time.time()
        received = stage.stored(TARGET)
        reads = load.reads[200]
        stage.until(lambda: load.reads[200] > reads + 100)  # while nobody takes writes
        report = stage.move("failover", TARGET)
        done_at = time.time()
        stage.until(lambda: writes_after(load, done_at) > 100)
    assert load.failed_reads == []
    stage.until(lambda: stage.reported_since(done_at) == {TARGET, THIRD})  # workers and beat go on
    present = stage.stored(TARGET)
    assert received <= present, "what the new writer had received is there"
    lost = {key: at for key, at in load.acknowledged.items() if key not in present}
    # What is lost was acknowledged after the newest that the new writer had, and before the old one died.
    newest = moment_of(report["loss"]["last_commit_at"])
    assert all(newest - 1 < at < killed_at + 1 for at in lost.values()), (newest, killed_at, lost)
    assert report["outcome"] == "done"
    assert report["proof"] == {"written": 1, "read_here": 1, f"read_in_{THIRD}": 1}
    assert report["loss"]["lost_at_most_milliseconds"] > 0
    assert report["recovery_milliseconds"]["writes_accepted"] > 0
    [unreachable] = [each for each in report["findings"] if each["code"] == "region_unreachable"]
    assert unreachable["names"] == [PRIMARY]


def test_the_lost_region_comes_back_as_a_replica_and_serves(stage: Stage) -> None:
    stage.bring_back(PRIMARY)
    assert stage.writer == TARGET
    back_at = time.time()
    with running(stage.urls(*REGIONS), stage.token, stage.known, writers=1, readers=1) as load:
        stage.until(lambda: all(len(each.acknowledged) > 20 for each in load.writers))
    assert load.failed_reads == []
    stage.until(lambda: all(load.acknowledged.keys() <= stage.stored(each) for each in REGIONS))
    assert stage.stored(PRIMARY) == stage.stored(TARGET) == stage.stored(THIRD)
    stage.until(lambda: stage.reported_since(back_at) == set(REGIONS))


def test_a_switchover_under_load_loses_nothing(stage: Stage) -> None:
    with running(stage.urls(*REGIONS), stage.token, stage.known, writers=1) as load:
        stage.until(lambda: len(load.acknowledged) > 100)
        report = stage.move("switchover", PRIMARY)
        done_at = time.time()
        stage.until(lambda: writes_after(load, done_at) > 100)
    assert load.failed_reads == []
    assert load.acknowledged.keys() <= stage.stored(PRIMARY)
    assert report["outcome"] == "done"
    assert report["loss"]["mark_is_there"]
    assert report["loss"]["lost_at_most_milliseconds"] == 0
    assert report["proof"] == {
        "written": 1,
        "read_here": 1,
        **{f"read_in_{region}": 1 for region in (TARGET, THIRD)},
    }
    stage.until(lambda: all(load.acknowledged.keys() <= stage.stored(each) for each in REGIONS))
