"""Health: alive says nothing else; ready follows the databases and the tables, and only reports the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from gateway import health, probes
from tests.stack import Stack


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No answer of another test is kept."""
    yield
    for part in health.PARTS.values():
        if part.running:
            part.running.exception(20)
        part.running, part.at = None, -health.KEPT_SECONDS


def ask() -> tuple[int, dict[str, Any]]:
    for part in health.PARTS.values():
        part.at = -health.KEPT_SECONDS
    answer = Client().get("/readyz")
    found: dict[str, Any] = json.loads(answer.content)
    return answer.status_code, found


def looking(monkeypatch: pytest.MonkeyPatch, name: str, look: Callable[[], None]) -> None:
    monkeypatch.setattr(health.PARTS[name], "look", look)


def fail() -> None:
    raise ConnectionError("10.0.0.7 said no")


def test_alive_looks_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in health.PARTS:
        looking(monkeypatch, name, fail)
    answer = Client().get("/healthz")
    assert (answer.status_code, json.loads(answer.content)) == (200, {"status": "alive"})


def test_a_load_balancer_may_call_it_by_its_address() -> None:
    for path in ("/healthz", "/readyz"):
        assert Client().get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
        assert Client().post(path).status_code == 405


def test_on_the_real_stack_all_parts_are_well() -> None:
    assert ask() == (
        200,
        {
            "status": "ready",
            "region": "us-east-2",
            "parts": {
                "reader": "ok", "migrations": "ok", "writer": "ok", "lag": "ok", "broker": "ok", "kms": "ok",
            },
        },
    )  # fmt: skip


@pytest.mark.parametrize("name", ["reader", "writer", "lag", "broker", "kms"])
def test_the_loss_of_what_reads_do_not_need_is_reported_and_leaves_it_ready(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    looking(monkeypatch, name, fail)
    status, found = ask()
    assert (status, found["status"]) == (200, "degraded")
    assert found["parts"][name] == "ConnectionError"
    assert "10.0.0.7" not in json.dumps(found)


@pytest.mark.parametrize("names", [("reader", "writer"), ("migrations",)])
def test_the_loss_of_what_reads_need_takes_it_out_of_service(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    for name in names:
        looking(monkeypatch, name, fail)
    status, found = ask()
    assert (status, found["status"]) == (503, "not_ready")


def test_a_part_that_hangs_is_waited_for_once_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[float] = []

    def hang() -> None:
        looks.append(time.monotonic())
        time.sleep(4)

    looking(monkeypatch, "writer", hang)
    for _ in range(2):
        status, found = ask()
        assert status == 200
        assert found["parts"]["writer"] == "no answer in time"
    assert len(looks) == 1


def test_answers_are_kept_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    for name in health.PARTS:
        looking(monkeypatch, name, fail)
    assert json.loads(Client().get("/readyz").content)["status"] == "ready"


def test_tables_older_than_the_code_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Behind:
        def __init__(self, connection: object) -> None:
            self.loader = self
            self.graph = self

        def leaf_nodes(self) -> list[object]:
            return []

        def migration_plan(self, targets: object) -> list[str]:
            return ["0009_next"]

    probes._all_migrated.cache_clear()
    monkeypatch.setattr(probes, "MigrationExecutor", Behind)
    with pytest.raises(probes.MigrationsMissing):
        probes.migrations()
    monkeypatch.undo()
    probes.migrations()


def test_a_replica_in_the_writers_place_is_no_writer(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "WRITER", "local")
    local = connections["local"]
    there = stack.env("web", "eu-west-1")
    before = local.settings_dict["PORT"]
    try:
        local.close_pool()  # type: ignore[attr-defined]
        local.settings_dict["PORT"] = there["GATEWAY_READER_PORT"]
        with pytest.raises(probes.WriterReadOnly):
            probes.writer()
    finally:
        local.close_pool()  # type: ignore[attr-defined]
        local.settings_dict["PORT"] = before
