"""A server rests after a failure, and one caller at a time tries it again; tokens have one form."""

from __future__ import annotations

import pytest

from tenants.consistency import Server, is_token


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("tenants.consistency.time.monotonic", clock)
    return clock


def test_a_healthy_server_is_tried_by_everybody(clock: Clock) -> None:
    server = Server("reader", 10)
    assert server.may_be_tried()
    assert server.may_be_tried()


def test_a_failed_server_rests_and_then_one_caller_tries_it(clock: Clock) -> None:
    server = Server("reader", 10)
    server.failed()
    assert not server.may_be_tried()
    clock.now += 10
    assert server.may_be_tried()
    assert not server.may_be_tried()


def test_a_server_that_answers_again_is_tried_by_everybody(clock: Clock) -> None:
    server = Server("reader", 10)
    server.failed()
    server.answered()
    assert server.may_be_tried()
    assert server.may_be_tried()


@pytest.mark.parametrize("text", ["0/0", "0/3A1B2C8", "FFFFFFFF/FFFFFFFF"])
def test_a_position_is_a_token(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "0", "0/3a", "0/0\n", "'; drop table x --", "123456789/0"])
def test_other_text_is_no_token(text: str) -> None:
    assert not is_token(text)
