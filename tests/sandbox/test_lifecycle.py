"""The whole sandbox: up, up again, down; with a person's output, and nobody left at the end."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sandbox.layout import PRIMARY, REGIONS, ROOT, Home
from sandbox.ports import Ports, find_free
from sandbox.processes import find_processes
from sandbox.supervision import find_states


class Sandbox:
    """Another sandbox, driven by its command line as `make` does."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.ports: Ports = find_free()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sandbox", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "GATEWAY_SANDBOX_HOME": str(self.home.path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def get(self, region: str, path: str, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports.gateway(region), timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@pytest.fixture
def sandbox(home: Home) -> Iterator[Sandbox]:
    made = Sandbox(home)
    yield made
    made.run("down")


def test_up_serves_in_three_regions_a_second_up_changes_nothing_and_down_leaves_nobody(
    sandbox: Sandbox,
) -> None:
    first = sandbox.run("up", "--ports", str(sandbox.ports.base))
    assert first.returncode == 0, first.stdout + first.stderr
    assert f"http://127.0.0.1:{sandbox.ports.gateway(PRIMARY)}/console/" in first.stdout
    assert "operator@example.com" in first.stdout
    key = (sandbox.home.secrets / "operator.key").read_text().strip()
    for region in REGIONS:
        status, body = sandbox.get(region, "/api/v1/tenants", Authorization=f"Bearer {key}")
        assert status == 200, body
        assert json.loads(body)["tenants"], "the first start onboards two"
    before = {name: state["pid"] for name, state in find_states(sandbox.home).items()}

    second = sandbox.run("up")
    assert second.returncode == 0, second.stdout + second.stderr
    assert {name: state["pid"] for name, state in find_states(sandbox.home).items()} == before
    assert (sandbox.home.secrets / "operator.key").read_text().strip() == key
    assert sandbox.run("status").returncode == 0

    other_ports = sandbox.run("up", "--ports", str(find_free().base))
    assert other_ports.returncode == 1
    assert "make down" in other_ports.stderr

    assert sandbox.run("down").returncode == 0
    assert find_processes(sandbox.home) == []


def test_up_that_fails_shows_why_and_stops_what_it_started(sandbox: Sandbox) -> None:
    sandbox.home.make()
    (sandbox.home.secrets / "operator.password").write_text("short\n")
    failed = sandbox.run("up", "--ports", str(sandbox.ports.base))
    assert failed.returncode == 1
    assert "The gateway could not be set up" in failed.stderr
    assert "password" in failed.stderr
    assert find_processes(sandbox.home) == []
