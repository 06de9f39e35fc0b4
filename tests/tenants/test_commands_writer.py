"""`manage.py switchover`, `failover` and `lag`: what they ask, answer and end with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tenants.selectors.writer import get_writer
from tenants.services import failover, heartbeat
from tenants.services.failover import Move
from tenants.services.heartbeat import beat_heart
from tenants.services.signing import public_keys, verify
from tests.callers import as_superuser
from tests.stack import Stack
from tests.tenants.test_failover import HERE, shell_in


@pytest.fixture(autouse=True)
def shell(stack: Stack) -> Iterator[None]:
    with shell_in(stack, HERE):
        yield


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[Move]:
    """What would have been carried out."""
    asked: list[Move] = []

    def carry_out(*, move: Move) -> dict[str, Any]:
        asked.append(move)
        return failover.rehearse(move=move)

    monkeypatch.setattr(failover, "carry_out", carry_out)
    return asked


def run(*arguments: str) -> tuple[str, int]:
    """Standard output and exit code."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        return out.getvalue(), int(str(end.code))
    return out.getvalue(), 0


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: text)


FORCED = ("switchover", HERE, "--sample", "1", "--force")


def test_a_rehearsal_answers_with_a_signed_report_and_asks_nothing(
    moved: list[Move], tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    out, code = run(*FORCED, "--rehearse", "--json", "--report", str(path))
    assert code == 0
    assert json.loads(out) == json.loads(path.read_text())
    document = verify(json.loads(out), public_keys())
    assert (document["kind"], document["target"], document["forced"]) == ("switchover", HERE, True)
    assert moved == []


def test_people_are_told_in_a_few_lines() -> None:
    out, code = run("failover", HERE, "--sample", "1", "--force", "--rehearse")
    assert code == 0
    assert out.startswith(f"Rehearsal of the failover to {HERE}: ready.")
    assert "Were the writer lost now" in out


def test_whoever_types_another_region_changes_nothing(
    moved: list[Move], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "us-west-1")
    with pytest.raises(CommandError, match=r"Nothing was changed\."):
        run(*FORCED)
    assert moved == []
    typed(monkeypatch, HERE)
    run(*FORCED)
    assert len(moved) == 1


def test_where_nobody_can_be_asked_it_must_be_said(
    moved: list[Move], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(CommandError, match="--yes"):
        run(*FORCED)
    assert moved == []
    run(*FORCED, "--yes")
    assert len(moved) == 1


def test_a_blocker_ends_it_with_4_and_nothing_is_asked_or_changed(moved: list[Move]) -> None:
    out, code = run("failover", HERE, "--sample", "1", "--json")
    assert code == 4
    document = json.loads(out)["document"]
    assert document["outcome"] == "refused"
    assert "writer_answers" in {each["code"] for each in document["findings"]}
    assert moved == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("switchover", "mars-1"), "is none of"),
        (("switchover", "us-west-1"), "writer_move_refused"),
        (("switchover", HERE, "--report", "/nowhere/report.json"), "cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_before_anything(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(*arguments)


def test_lag_ends_with_4_while_a_region_is_beyond_the_bound(stack: Stack) -> None:
    beat_heart(region=HERE)
    out, code = run("lag", "--json", "--bound", "3600")
    assert code == 0
    found = json.loads(out)
    assert found["writer"]["region"] == "us-east-2"
    assert HERE in {each["region"] for each in found["regions"]}
    as_superuser(
        stack,
        "update tenants_regionstatus set behind_seconds = 7000 where region = %s",
        HERE,
    )
    codes = {run("lag", "--bound", "3600")[1] for _ in range(20)}
    assert 4 in codes
    assert "beyond 3600 s" in run("lag", "--bound", "3600")[0]
    beat_heart(region=HERE)


def test_a_region_that_says_nothing_is_beyond_the_bound_too(stack: Stack) -> None:
    as_superuser(
        stack,
        "insert into tenants_regionstatus values ('mars-1', 0, now() - interval '1 hour')"
        " on conflict do nothing",
    )
    try:
        assert 4 in {run("lag", "--bound", "60")[1] for _ in range(20)}
    finally:
        as_superuser(stack, "delete from tenants_regionstatus where region = 'mars-1'")


def test_a_writer_that_moved_without_us_begins_a_new_epoch_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beat_heart(region=HERE)
    before = eventually()
    assert before.region == "us-east-2"
    monkeypatch.setattr(heartbeat, "find_writer_region", lambda _: "us-west-1")
    for _ in range(2):
        beat_heart(region=HERE)
    assert (eventually(before.epoch + 1).region, eventually().epoch) == (
        "us-west-1",
        before.epoch + 1,
    )
    monkeypatch.setattr(heartbeat, "find_writer_region", lambda _: "")
    beat_heart(region=HERE)
    assert eventually().epoch == before.epoch + 1, "who does not say is believed to be there"
    monkeypatch.undo()
    with override_settings(GATEWAY_REGION=HERE):
        beat_heart(region=HERE)


def eventually(epoch: int = 0) -> Any:
    """What this Region's reader has, once it has that epoch."""
    for _ in range(100):
        found = get_writer()
        if found.epoch >= epoch:
            break
    return found
