"""The quotas that differ from AWS's defaults, as the environment gives them."""

from __future__ import annotations

import pytest
from environs import EnvValidationError, FileAwareEnv

from gateway import env

NAME = "GATEWAY_CALL_QUOTAS"


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> FileAwareEnv:
    """One that has not been read to the end, as that of the process has."""
    fresh = FileAwareEnv(eager=False)
    monkeypatch.setattr(env, "_env", fresh)
    return fresh


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("CreateKey=50", {"CreateKey": 50.0}),
        (" CreateKey = 50 , eu-west-1:CreateKey=0.5,", {"CreateKey": 50.0, "eu-west-1:CreateKey": 0.5}),
        ("*=100000", {"*": 100_000.0}),
    ],
)  # fmt: skip
def test_quotas_are_calls_a_second_by_api_and_region(
    reader: FileAwareEnv, monkeypatch: pytest.MonkeyPatch, text: str, found: dict[str, float]
) -> None:
    monkeypatch.setenv(NAME, text)
    assert env._quotas(NAME) == found
    reader.seal()


@pytest.mark.parametrize(
    "text", ["CreateKey", "CreateKey=", "CreateKey=0", "CreateKey=0.0", "CreateKey=-1", "=5", "a b=5"]
)  # fmt: skip
def test_what_is_no_quota_is_a_fault_of_the_configuration(
    reader: FileAwareEnv, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(NAME, text)
    env._quotas(NAME)
    with pytest.raises(EnvValidationError, match=NAME):
        reader.seal()
