"""GET /regions: where the writer is, and how far each Region is behind."""

from __future__ import annotations

from datetime import datetime

from tenants.services.heartbeat import beat_heart
from tests.callers import shared_acme
from tests.gateway.api import app_of, operator, problem


def test_operators_see_where_the_writer_is_and_how_far_behind_each_region() -> None:
    for region in ("us-east-2", "eu-west-1"):
        beat_heart(region=region)
    api = operator()
    api.seen = "FFFFFFFF/FFFFFFFF"
    found = api.get("/regions")
    assert found["writer_region"] == "us-east-2"
    assert found["writer_epoch"] >= 2
    assert datetime.fromisoformat(found["writer_since"]).tzinfo
    regions = {each["region"]: each for each in found["regions"]}
    assert [regions[name]["is_writer"] for name in ("us-east-2", "eu-west-1")] == [True, False]
    for each in regions.values():
        assert each["behind_seconds"] >= 0
        assert each["aurora_lag_seconds"] is None
        assert datetime.fromisoformat(each["measured_at"]).tzinfo


def test_tenants_do_not() -> None:
    problem(app_of(shared_acme()).send("GET", "/regions"), 401, "credential_kind_wrong")
