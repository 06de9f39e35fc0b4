"""The commands by which an operator rehearses faults, lost Regions and another writer; and what status says of them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from sandbox.command_line import main
from sandbox.layout import PRIMARY, Home
from sandbox.postgres.configuration import data_directory
from sandbox.processes import freeze, kill
from sandbox.readiness import takes_connections
from sandbox.supervision import find_states
from tests.sandbox.rds_cast import Stage, data_plane_of_its_own

AWAY = "eu-west-1"


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with data_plane_of_its_own() as stage:
        (stage.home.path / "ports.json").write_text(json.dumps({"base": stage.ports.base}))
        yield stage


@pytest.fixture
def stage(shared: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The one that the commands act on."""
    monkeypatch.setenv("GATEWAY_SANDBOX_HOME", str(shared.home.path))
    return shared


@pytest.mark.usefixtures("stage")
def test_faults_are_set_shown_and_healed(capsys: pytest.CaptureFixture[str]) -> None:
    slow = ["fault", AWAY, "slow", "--operation", "Decrypt", "--median", "0.1", "--p99", "0.2"]
    assert main(slow) == 0
    assert main(["fault", "us-west-1", "errors", "--share", "0.5", "--late"]) == 0
    capsys.readouterr()
    main(["status"])
    shown = capsys.readouterr().out
    assert "KMS fault in eu-west-1: mode slow, operation Decrypt, median 0.1, p99 0.2" in shown
    assert "KMS fault in us-west-1: mode errors, share 0.5, late True" in shown
    assert main(["heal", "us-west-1"]) == 0
    assert "us-west-1" not in capsys.readouterr().out
    assert main(["heal"]) == 0
    assert "KMS: no faults" in capsys.readouterr().out


@pytest.mark.usefixtures("stage")
def test_quotas_are_switched_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quotas", "on", "--scale", "0.5"]) == 0
    assert "KMS quotas: on, times 0.5; refused: none" in capsys.readouterr().out
    assert main(["quotas", "off"]) == 0
    assert "KMS quotas: off" in capsys.readouterr().out


@pytest.mark.usefixtures("stage")
def test_the_clock_is_moved_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    main(["status"])
    assert re.search(r"KMS clock: [-\d]+ [:\d]+ UTC\n", capsys.readouterr().out)
    assert main(["clock", "7.5"]) == 0
    main(["status"])
    assert capsys.readouterr().out.count("UTC, 7.5 days ahead") == 2
    assert main(["clock", "-1"]) == 1
    assert "moves forward only" in capsys.readouterr().err


@pytest.mark.usefixtures("stage")
def test_a_fault_that_makes_no_sense_is_refused_in_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["fault", AWAY, "down", "--operation", "Decrypt"]) == 1
    assert "down is the whole endpoint" in capsys.readouterr().err


def test_without_a_sandbox_each_command_says_how_to_start_one(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_SANDBOX_HOME", str(home.path))
    for command in (["heal"], ["switchover", AWAY], ["kill-region", AWAY], ["quotas", "on"]):
        assert main(command) == 1
        assert "make up" in capsys.readouterr().err


def test_a_lost_database_stays_lost_until_it_is_brought_back(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = stage.write(3)
    old = stage.writer
    stage.follow(rows)
    assert main(["kill-region", old, "database"]) == 0
    assert not takes_connections(stage.ports.postgres(old))
    assert not (data_directory(stage.home, old) / "postmaster.pid").exists()
    assert find_states(stage.home)[f"postgres-{old}"]["statename"] == "STOPPED"
    capsys.readouterr()
    assert main(["status"]) == 1
    assert f"Writer: {old} (stopped)" in capsys.readouterr().out
    assert main(["kill-region", old, "database"]) == 0, "a second time changes nothing"

    assert main(["failover"]) == 0
    assert f"The writer is {stage.writer}." in capsys.readouterr().out
    assert stage.writer != old
    assert stage.write() == rows + 1

    assert main(["start-region", old, "database"]) == 0
    assert stage.follow(rows + 1)
    assert main(["switchover", old]) == 0
    assert stage.writer == old
    assert stage.write() == rows + 2


def test_a_switchover_that_cannot_be_is_refused_and_the_writer_stays(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = stage.writer
    assert main(["switchover", writer]) == 1
    assert "is the primary cluster already" in capsys.readouterr().err
    assert stage.writer == writer


def test_kms_of_a_region_is_lost_and_found(stage: Stage) -> None:
    assert main(["kill-region", PRIMARY, "kms"]) == 0
    assert not takes_connections(stage.ports.kms(PRIMARY))
    target = next(region for region in stage.replicas if region != PRIMARY)
    assert main(["switchover", target]) == 0, "by the endpoint of a Region that answers"
    assert main(["start-region", PRIMARY, "kms"]) == 0
    assert takes_connections(stage.ports.kms(PRIMARY))


def test_who_is_frozen_and_killed_takes_its_children_along() -> None:
    shell = ["sh", "-c", "sleep 60 & echo started; wait"]
    with subprocess.Popen(shell, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        pids = freeze(process.pid)
        assert pids[0] == process.pid
        assert len(pids) == 2
        kill(pids)
        assert process.wait(10) == -9
