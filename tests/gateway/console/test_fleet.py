"""The pages of the fleet: Regions, failed steps, keys that nobody owns, drift."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django.test import Client
from django.urls import reverse

from gateway.console.fleet import region_lines
from gateway.console.views import fleet as fleet_view
from tenants.models import OrphanKey
from tenants.scope import fleet_scope
from tenants.selectors import get_progress
from tenants.services.heartbeat import beat_heart
from tests.cast import Cast, as_region
from tests.gateway.console.faults import open_a_backdoor, orphan, stop
from tests.gateway.console.people import as_operator

EU = "eu-west-1"
FLEET, DRIFT = reverse("console:fleet"), reverse("console:fleet-drift")


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", str(answer.content.decode()))


def resolution(found: OrphanKey) -> str:
    with fleet_scope("latest"):
        return str(OrphanKey.objects.get(id=found.id).resolution)


def decide(operator: Client, name: str, found: OrphanKey) -> str:
    url = reverse(f"console:{name}", args=[found.id])
    assert found.arn in text(operator.get(url))
    return text(operator.post(url, follow=True))


def test_every_region_shows_how_far_it_is_behind() -> None:
    operator = as_operator()
    with as_region(EU):
        beat_heart(region=EU)
    lines = {line.region: line for line in region_lines()}
    lag = lines[EU].lag
    assert lag is not None
    assert replace(lines[EU], lag=None).state == "unknown"
    late = replace(lag, measured_seconds_ago=0.0, behind_seconds=10_000.0)
    assert replace(lines[EU], lag=late).state == "behind"
    lost = replace(late, measured_seconds_ago=10_000.0)
    assert replace(lines[EU], lag=lost).state == "silent"
    for page in (text(operator.get(FLEET)), text(operator.get(reverse("console:home")))):
        assert "eu-west-1" in page
        assert "Current" in page or "Behind" in page


def test_a_failed_step_of_any_tenant_is_shown_and_retried_from_there() -> None:
    initech = Cast().initech()
    failed = stop(initech)
    operator = as_operator()
    page = text(operator.get(FLEET))
    if "there are more" not in page:  # other tests leave failed steps too
        assert initech.slug in page
    retry = reverse("console:retry", args=[initech.slug, failed.id])
    answer = operator.post(retry, {"to": "fleet"}, follow=True)
    assert answer.redirect_chain == [(FLEET, 302)]
    assert "The step will run again." in text(answer)
    assert get_progress(initech.id).operations[0].state == "due"


def test_a_key_that_nobody_owns_is_decided_on_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(fleet_view, "ORPHANS_SHOWN", 10_000)
    operator = as_operator()
    found = orphan()
    assert found.arn in text(operator.get(FLEET))
    assert "No step of a tenant waits for this key." in decide(operator, "adopt-orphan", found)
    assert resolution(found) == ""
    assert "will be scheduled for deletion" in decide(operator, "schedule-orphan", found)
    assert resolution(found) == "scheduled"
    again = reverse("console:schedule-orphan", args=[found.id])
    assert operator.get(again).status_code == 404
    assert "not_found" in text(operator.post(again, follow=True))


def test_keys_that_drift_are_listed_a_page_of_tenants_at_a_time(monkeypatch: Any) -> None:
    tenant = Cast().globex()
    open_a_backdoor(tenant, EU)
    operator = as_operator()
    monkeypatch.setattr(fleet_view, "TENANTS_A_PAGE", 1)
    page = text(operator.get(DRIFT, {"after": tenant.slug[:-1]}))
    assert "Backdoor should not be there" in page
    assert reverse("console:keys", args=[tenant.slug]) in page
    assert operator.get(DRIFT, {"pools": "1"}).status_code == 200
    assert "Nothing drifts on this page." in text(operator.get(DRIFT, {"after": "zzzz"}))
