"""The environment of each process: complete, and without secrets that its part does not need."""

from __future__ import annotations

import pytest

from sandbox.environment import Part, process_environment
from sandbox.layout import REGIONS
from tests.stack import Stack

PARTS: tuple[Part, ...] = ("web", "worker", "beat", "manage")


@pytest.mark.parametrize("part", PARTS)
def test_no_value_is_itself_a_secret(stack: Stack, part: Part) -> None:
    secrets = [
        path.read_text().strip()
        for path in stack.home.secrets.iterdir()
        if path.suffix == ".password" or path.name == "secret-key"
    ]
    assert len(secrets) >= 5
    for value in stack.env(part).values():
        assert not [secret for secret in secrets if secret in value]


def test_only_workers_reach_the_admin_role_and_only_manage_the_owner_of_the_tables(
    stack: Stack,
) -> None:
    for part in PARTS:
        environment = stack.env(part)
        assert ("GATEWAY_KMS_ADMIN_PROFILE" in environment) == (part == "worker")
        assert ("GATEWAY_MIGRATION_USER" in environment) == (part == "manage")
        assert ("GATEWAY_DATABASE_PASSWORD_FILE" in environment) == (part != "beat")
        assert ("GATEWAY_SIGNING_KEY_FILE" in environment) == (part == "worker")
        assert ("GATEWAY_SIGNING_PUBLIC_KEY_FILE" in environment) == (part != "worker")


def test_each_region_reads_its_own_server_and_writes_to_whichever_is_the_writer(
    stack: Stack,
) -> None:
    readers = [stack.env("web", region)["GATEWAY_READER_PORT"].split(",") for region in REGIONS]
    writers = {stack.env("web", region)["GATEWAY_WRITER_PORT"] for region in REGIONS}
    assert len({own for own, *_ in readers}) == len(REGIONS)
    assert len(writers) == 1
    [ports] = writers
    assert all(set(each) == set(ports.split(",")) for each in readers)


def test_nothing_of_the_caller_s_own_environment_is_passed_on(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody's own")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    environment = process_environment(stack.home, stack.ports, "worker", REGIONS[0])
    assert not {"AWS_ACCESS_KEY_ID", "HTTPS_PROXY"} & environment.keys()
    assert environment["AWS_CONFIG_FILE"] == "/dev/null"
