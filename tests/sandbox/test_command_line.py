"""The commands when there is nothing to command, and when they must refuse."""

from __future__ import annotations

import subprocess

import pytest

from sandbox.command_line import main
from sandbox.layout import PRIMARY, Home
from sandbox.locking import exclusive
from sandbox.ports import find_free


@pytest.fixture(autouse=True)
def _in_a_home_of_its_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_SANDBOX_HOME", str(home.path))


def test_status_and_down_say_that_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    assert "not running" in capsys.readouterr().out
    assert main(["down"]) == 0
    assert "Nothing was running" in capsys.readouterr().out


def test_reset_deletes_nothing_without_a_yes(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.make()
    (home.secrets / "kept").touch()
    assert main(["reset"]) == 1
    assert "YES=1" in capsys.readouterr().err
    assert (home.secrets / "kept").exists()


def test_reset_with_a_yes_deletes_everything(home: Home) -> None:
    home.make()
    assert main(["reset", "--yes"]) == 0
    assert not home.path.exists()
    assert not home.run.exists()


def test_two_commands_at_once_are_refused(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive(home):
        assert main(["down"]) == 1
    assert "Another command" in capsys.readouterr().err


def test_logs_of_a_process_that_never_ran_are_a_clear_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["logs", "worker-us-east-2"]) == 1
    assert "no log" in capsys.readouterr().err


def test_env_prints_what_a_shell_can_evaluate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env", "web", PRIMARY]) == 0
    printed = capsys.readouterr().out
    shown = subprocess.run(
        ["sh", "-euc", f"{printed}\necho $GATEWAY_REGION $GATEWAY_KMS_USE_ROLE_ARN"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == [
        PRIMARY,
        "arn:aws:iam::111122223333:role/mrk-gateway-use-{region}",
    ]


def test_up_names_a_taken_port_and_starts_nothing(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    ports = find_free()
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", ports.gateway("us-west-1")))
        squatter.listen()
        assert main(["up", "--ports", str(ports.base)]) == 1
    assert f"{ports.gateway('us-west-1')} (gateway us-west-1)" in capsys.readouterr().err
    assert not (home.path / "supervisord.conf").exists()
