"""A reader that is behind: it is noticed, told, and believed in nothing that a revocation could have changed."""

from __future__ import annotations

from math import inf
from typing import Any
from unittest.mock import patch

import pytest
from botocore.httpsession import URLLib3Session
from django.test import override_settings
from django.utils import timezone

from crypto.context import Purpose
from tenants import consistency
from tenants.errors import WriterMoved
from tenants.models import WriterEpoch
from tenants.scope import fleet_scope
from tenants.selectors import lag
from tenants.selectors.lag import Watch, list_region_lag, measure_lag, seconds_behind
from tenants.services.heartbeat import beat_heart
from tenants.services.key_use import KeyUse
from tests.callers import as_superuser, caller_of
from tests.cast import Cast, as_region
from tests.stack import Stack


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def behind(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(lag, "_watch", Watch(lambda: seconds, Clock()))


def test_a_beat_shows_in_the_reader_and_every_region_reports_its_own() -> None:
    for region in ("us-east-2", "eu-west-1"):
        with as_region(region):
            beat_heart(region=region)
    assert measure_lag() < 30
    with fleet_scope("latest"):
        beat_at = WriterEpoch.objects.get().beat_at
    assert abs((timezone.now() - beat_at).total_seconds()) < 60
    found = {one.region: one for one in list_region_lag()}
    assert {"us-east-2", "eu-west-1"} <= found.keys()
    assert all(one.behind_seconds >= 0 for one in found.values())
    assert all(one.aurora_lag_seconds is None for one in found.values())


def test_what_aurora_says_is_told_beside_it(stack: Stack) -> None:
    beat_heart(region="us-east-2")
    as_superuser(
        stack,
        "create function aurora_global_db_instance_status()"
        " returns table (server_id text, aws_region text, visibility_lag_in_msec bigint)"
        " language sql as $$ values ('a', 'us-east-2', 1500), ('b', 'us-east-2', 90),"
        " ('w', 'eu-west-1', null) $$",
    )
    try:
        found = {one.region: one.aurora_lag_seconds for one in eventually_with_lag()}
    finally:
        as_superuser(stack, "drop function aurora_global_db_instance_status()")
    assert found["us-east-2"] == 1.5


def eventually_with_lag() -> list[Any]:
    consistency.note_write()  # the reader must have the function
    return list_region_lag()


def test_it_is_measured_once_a_second_and_not_known_is_endless() -> None:
    clock, asked = Clock(), []

    def measure() -> float:
        asked.append(1)
        if clock.now > 5:
            raise WriterMoved("away")
        return 4.0

    watch = Watch(measure, clock)
    assert [watch.seconds() for _ in range(3)] == [4.0] * 3
    assert len(asked) == 1
    clock.now = 1.5
    watch.seconds()
    assert len(asked) == 2
    clock.now = 9
    assert watch.seconds() == inf


@pytest.mark.parametrize(("seconds", "bound", "told"), [(3, 15, None), (16, 15, 16), (99, 0, None)])
def test_only_beyond_the_bound_is_it_behind(
    monkeypatch: pytest.MonkeyPatch, seconds: float, bound: int, told: float | None
) -> None:
    behind(monkeypatch, seconds)
    with override_settings(GATEWAY_READER_BEHIND_SECONDS=bound):
        assert seconds_behind() == told


def test_a_region_that_is_behind_asks_kms_on_every_request(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = caller_of(cast.globex())
    with as_region("eu-west-1"), override_settings(GATEWAY_READER_BEHIND_SECONDS=15):
        behind(monkeypatch, 0)
        message = KeyUse(caller).seal(b"x", "pii", Purpose.VALUE).message
        assert decrypts(caller, message) <= 1
        assert decrypts(caller, message) == 0
        behind(monkeypatch, 60)
        assert [decrypts(caller, message) for _ in range(3)] == [1, 1, 1]


def decrypts(caller: Any, message: bytes) -> int:
    """How many calls of KMS it takes to open the message."""
    send, calls = URLLib3Session.send, []

    def counted(session: URLLib3Session, request: Any) -> Any:
        calls.append(request.headers["X-Amz-Target"])
        return send(session, request)

    with patch.object(URLLib3Session, "send", counted):
        assert KeyUse(caller).open(message, "pii", Purpose.VALUE) == b"x"
    assert set(calls) <= {b"TrentService.Decrypt"}
    return len(calls)
