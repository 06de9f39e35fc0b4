"""The audit log, page by page."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from gateway.console.views import audit as audit_view
from tenants.selectors import (
    TenantView,
)
from tests.cast import Cast
from tests.gateway.console.people import as_member


@pytest.fixture(scope="module")
def acme() -> TenantView:
    return Cast().acme()


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_audit_log_names_people_and_goes_back_page_by_page(
    acme: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = as_member(acme, "auditor")
    url = reverse("console:audit", args=[acme.slug])
    page = text(client.get(url))
    assert "Member added" in page
    assert "auditor-" in page
    monkeypatch.setattr(audit_view, "EVENTS_A_PAGE", 2)
    seen, place = 0, url
    for _ in range(200):
        page = text(client.get(place))
        seen += page.count('role="row"') - 1
        if "Older" not in page:
            break
        place = url + "?before=" + page.split("?before=")[1][:36]
    monkeypatch.undo()
    assert seen == text(client.get(url)).count('role="row"') - 1


def test_a_place_in_the_audit_log_that_is_no_id_is_not_there(acme: TenantView) -> None:
    url = reverse("console:audit", args=[acme.slug])
    assert as_member(acme, "auditor").get(url, {"before": "yesterday"}).status_code == 404
