"""Metrics: for operators alone, of requests by pattern, and nothing that names a tenant."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings
from prometheus_client.parser import text_string_to_metric_families

from tenants.selectors import lag
from tenants.selectors.lag import Watch
from tenants.services.heartbeat import beat_heart
from tests.callers import token_of
from tests.cast import Cast, as_region
from tests.gateway.api import Api, app_of, operator, problem


def scrape(token: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def count(
    metrics: dict[str, list[tuple[dict[str, str], float]]], name: str, **labels: str
) -> float:
    return sum(value for found, value in metrics.get(name, []) if labels.items() <= found.items())


def test_requests_are_counted_by_pattern_and_status(cast: Cast) -> None:
    api, token = operator(), operator().token
    acme = cast.initech()
    labels = {"route": "/api/v1/tenants/<str:slug>", "method": "GET"}
    before = scrape(token)
    api.get(f"/tenants/{acme.slug}")
    api.send("GET", "/tenants/nobody-at-all")
    after = scrape(token)
    for status in ("200", "404"):
        name, more = "gateway_requests_total", {**labels, "status": status}
        assert count(after, name, **more) == count(before, name, **more) + 1
    assert count(after, "gateway_request_seconds_count", **labels) >= 2
    text = str(after)
    assert acme.slug not in text
    assert str(acme.id) not in text


def test_hits_and_misses_of_the_data_key_cache_are_shown(cast: Cast) -> None:
    with as_region("eu-west-1"):
        app = app_of(cast.globex())
        body = {"values": [{"text": "x", "classification": "pii"}]}
        for _ in range(3):
            app.post("/values/encrypt", body)
        found = scrape(operator().token)
    assert count(found, "gateway_data_key_cache", outcome="hit") >= 2
    assert count(found, "gateway_data_key_cache", outcome="miss") >= 1


def test_lag_and_waiting_operations_are_shown_by_region(cast: Cast) -> None:
    cast.initech()
    beat_heart(region="us-east-2")
    found = scrape(operator().token)
    assert [labels for labels, _ in found["gateway_reader_behind_seconds"]]
    assert count(found, "gateway_operations", state="due", kind="create_primary_key") >= 1


@pytest.mark.parametrize("kind", ["none", "tenant app", "wrong"])
def test_nobody_else_sees_them(cast: Cast, kind: str) -> None:
    token = {"none": "", "wrong": operator().token + "x", "tenant app": token_of(cast.initech())}
    headers = {"Authorization": f"Bearer {token[kind]}"} if token[kind] else {}
    answer = Client().get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert b"gateway_" not in answer.content


def test_a_region_that_is_behind_says_so_in_its_answers(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(cast.initech())
    assert "Replica-Lag" not in app.send("GET", "/me").headers
    monkeypatch.setattr(lag, "_watch", Watch(lambda: 99.4, lambda: 0.0))
    with override_settings(GATEWAY_READER_BEHIND_SECONDS=15):
        assert app.send("GET", "/me").headers["Replica-Lag"] == "99"
        answer = Api("mrkg_wrong").send("GET", "/me")
    problem(answer, 401, "credential_invalid")
