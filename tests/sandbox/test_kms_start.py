"""Starting and stopping the process, and where it refuses to start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.kms.identities import InvalidIdentities, read_identities
from sandbox.kms.listener import HOST
from sandbox.kms.production import LooksLikeProduction, refuse_production
from tests.sandbox.kms_cast import HOME, IDENTITIES

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    (tmp_path / "identities.json").write_text(json.dumps(IDENTITIES))
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "sandbox.kms", "--state", str(tmp_path / "state")),
            *("--identities", str(tmp_path / "identities.json"), *more),
        ],
        env={**os.environ, **environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_it_is_ready_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, "--listen", f"{HOME}=0") as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert re.fullmatch(rf"ready {{.*\"{HOME}\": \"http://{HOST}:\d+\".*}}\n", ready)
        process.send_signal(number)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    "variable",
    [
        {"GATEWAY_ENVIRONMENT": "production"},
        {"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"},
        {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x"},
    ],
)
def test_it_does_not_start_where_it_looks_like_production(
    tmp_path: Path, variable: dict[str, str]
) -> None:
    with start(tmp_path, "--listen", f"{HOME}=0", **variable) as process:
        assert process.wait(20) == 2
        assert process.stderr is not None
        assert next(iter(variable)) in process.stderr.read()
    assert not (tmp_path / "state").exists()


def test_a_taken_port_is_a_clear_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        listen = f"{HOME}={taken.getsockname()[1]}"
        with start(tmp_path, "--listen", listen) as process:
            assert process.wait(20) == 2
            assert process.stderr is not None
            assert "cannot start" in process.stderr.read()


def test_a_development_machine_is_no_production() -> None:
    refuse_production({"GATEWAY_ENVIRONMENT": "sandbox", "AWS_PROFILE": "x"})
    with pytest.raises(LooksLikeProduction, match="production"):
        refuse_production({"GATEWAY_ENVIRONMENT": " Production "})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"AKIAX": {}}',
        '{"AKIAX": {"secret": "the-secret", "arn": "arn:aws:iam::111122223333:role/x"}}',
        '{"AKIAX": {"secret": "the-secret", "arn": "arn:aws:iam::111122223333:user/x", "account": "1"}}',
        '{"AKIAX": {"secret": "the-secret", "arn": "arn:aws:iam::111122223333:user/x", "policy": {"x": 1}}}',
    ],
)
def test_a_wrong_identities_file_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "identities.json"
    file.write_text(text)
    with pytest.raises(InvalidIdentities) as caught:
        read_identities(file)
    assert "the-secret" not in str(caught.value)
    with pytest.raises(InvalidIdentities):
        read_identities(tmp_path / "absent.json")


def test_an_identity_does_not_show_its_secret(tmp_path: Path) -> None:
    file = tmp_path / "identities.json"
    file.write_text(json.dumps(IDENTITIES))
    shown = repr(read_identities(file))
    assert IDENTITIES["AKIAOPERATOR"]["secret"] not in shown
    assert "a-session-token" not in shown
