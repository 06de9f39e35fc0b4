"""The API's own page in a real browser, under the Content-Security-Policy of all pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tenants.services.access import issue_operator_key
from tests.flows.browser import Watch, find_chromium, launch, running_gateway
from tests.gateway.endpoints import endpoints
from tests.stack import Stack

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(stack: Stack) -> Iterator[tuple[Page, str, str]]:
    """A page, the gateway's address, and an operator key."""
    path = find_chromium()
    if path is None:
        pytest.skip("NOT TESTED: no Chromium on this machine (set CHROMIUM to its path)")
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)
    key = issue_operator_key(name="docs page")
    with running_gateway(stack, "us-west-1") as url, sync_playwright() as playwright:
        browser = launch(playwright, path)
        yield browser.new_page(base_url=url), url, key
        browser.close()


def test_every_operation_is_listed_and_one_can_be_tried(
    opened: tuple[Page, str, str],
) -> None:
    page, url, key = opened
    watch = Watch(page, url)
    page.goto("/api/docs/")
    expect(page.locator(".opblock")).to_have_count(len(endpoints()))
    page.get_by_role("button", name="Authorize").click()
    page.locator(".auth-container input").first.fill(key)
    page.locator(".auth-container button.authorize").first.click()
    page.locator(".auth-container .btn-done").first.click()
    tried = page.locator("#operations-Operators-listTenants")
    tried.locator(".opblock-summary").click()
    tried.get_by_text("Try it out").click()
    tried.get_by_text("Execute").click()
    expect(tried.locator(".live-responses-table .response-col_status").nth(1)).to_contain_text(
        "200"
    )
    assert watch.faults == []
