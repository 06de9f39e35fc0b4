"""The console in a real browser: the main job from sign-in to an active tenant, on any screen and in either theme."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from tenants.actor import Actor
from tenants.errors import CredentialInvalid
from tenants.selectors import (
    TenantView,
    get_caller,
    get_tenant,
    list_api_keys,
    list_members,
    list_plans,
    list_region_rules,
)
from tenants.services.access import create_operator, issue_api_key
from tenants.services.offboarding import request_offboarding
from tenants.services.revocation import revoke_tenant
from tests.cast import OPERATOR, Cast, run_plan
from tests.flows.browser import Watch, aside, find_chromium, launch, running_gateway
from tests.gateway.console.faults import open_a_backdoor, orphan
from tests.gateway.console.people import PASSWORD, address, join
from tests.stack import Stack

pytestmark = pytest.mark.browser
HOME, ABROAD = "us-east-2", "eu-west-1"
WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 400, "height": 800}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def chromium() -> str:
    path = find_chromium()
    if path is None:
        pytest.skip(
            "NOT TESTED: no Chromium on this machine (set CHROMIUM to its path), so no page was looked at"
        )
    return path


@pytest.fixture(scope="module")
def console(stack: Stack, chromium: str) -> Iterator[str]:
    """The console of the primary Region."""
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=0)
    with running_gateway(stack, HOME) as url:
        yield url


@pytest.fixture(scope="module")
def acme(console: str) -> TenantView:
    """An active tenant with something on every page."""
    tenant = Cast().acme()
    issue_api_key(
        tenant_id=tenant.id, name="nightly-export", scopes=["records:read"], actor=OPERATOR
    )
    join(tenant, address("owner"), "owner")
    return tenant


@pytest.fixture(scope="module")
def operator(console: str) -> str:
    """The address of an operator."""
    email = address("operator")
    create_operator(email=email, password=PASSWORD)
    return email


# Playwright's loop must not run before Django's work of the fixtures above is done.
@pytest.fixture(scope="module")
def browser(chromium: str, console: str, acme: TenantView, operator: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = launch(playwright, chromium)
        yield found
        found.close()


def sign_in(page: Page, console: str, email: str, password: str = PASSWORD) -> None:
    page.goto(f"{console}/console/sign-in/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    found = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext, console: str) -> Page:
    return context.new_page()


@pytest.fixture
def watch(page: Page, console: str) -> Iterator[Watch]:
    """Fails the test for any error, policy violation or request elsewhere that it caused."""
    found = Watch(page, console)
    yield found
    assert found.faults == []


def test_a_wrong_password_is_said_kindly_and_the_right_one_opens_the_console(
    page: Page, watch: Watch, console: str, operator: str
) -> None:
    sign_in(page, console, operator, "not the password")
    expect(page.get_by_role("alert")).to_contain_text("is not right")
    expect(page.get_by_label("E-mail address")).to_have_value(operator)
    sign_in(page, console, operator)
    expect(page.get_by_role("heading", name="Tenants")).to_be_visible()
    expect(page.get_by_role("complementary", name="Environment")).to_contain_text("Sandbox")
    page.get_by_text(operator).first.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_an_operator_onboards_a_tenant_and_watches_it_become_active_without_a_reload(
    page: Page, watch: Watch, console: str, operator: str
) -> None:
    slug = f"hooli-{secrets.token_hex(4)}"
    sign_in(page, console, operator)
    page.get_by_role("link", name="Onboard a tenant").click()
    page.get_by_label("Name").fill("Hooli")
    page.get_by_label("Slug").fill("Not a slug")
    page.get_by_role("button", name="Start onboarding").click()
    expect(
        page.get_by_text("Lower-case letters, digits and hyphens, 3 to 40 characters.").first
    ).to_be_visible()
    page.get_by_label("Slug").fill(slug)
    ireland = page.get_by_role("group", name=ABROAD)
    ireland.get_by_label("Only these").check()
    ireland.get_by_label("pii").check()
    page.get_by_role("button", name="Start onboarding").click()
    expect(page.get_by_text("Onboarding is under way")).to_be_visible()
    expect(page.get_by_text("Not made yet").first).to_be_visible()
    aside(run_plan, aside(get_tenant, slug))
    expect(page.get_by_text("under its policy and verified in all 3 Regions")).to_be_visible(
        timeout=15_000
    )
    expect(row_of(page, ABROAD)).to_contain_text("Decrypts pii")
    seen = len(watch.requests)
    page.wait_for_timeout(3000)
    assert len(watch.requests) == seen  # nothing moves any more, so nothing is asked any more
    page.goto(f"{console}/console/")
    page.get_by_label("Search by slug or name").fill(slug)
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("row", name="Hooli")).to_contain_text("Active")


def test_nobody_is_asked_while_the_tab_is_hidden_and_at_once_when_it_is_seen_again(
    page: Page, watch: Watch, console: str, operator: str
) -> None:
    tenant = aside(Cast().initech)
    sign_in(page, console, operator)
    page.goto(f"{console}/console/tenants/{tenant.slug}/")
    with page.expect_request("**/tenants/**"):
        pass  # the first refresh
    _hide(page, True)
    page.wait_for_timeout(500)
    seen = len(watch.requests)
    page.wait_for_timeout(4500)
    assert len(watch.requests) == seen
    with page.expect_request("**/tenants/**", timeout=1500):
        _hide(page, False)


def test_an_api_key_is_shown_once_copied_and_revoked(
    page: Page, watch: Watch, console: str, acme: TenantView, operator: str
) -> None:
    sign_in(page, console, operator)
    page.goto(f"{console}/console/tenants/{acme.slug}/api-keys/")
    page.get_by_label("Name").fill("billing-service")
    page.get_by_label("records:read").check()
    page.get_by_role("button", name="Issue the key").click()
    token = page.locator("#token").inner_text()
    assert aside(get_caller, token).tenant_id == acme.id
    page.get_by_role("button", name="Copy API key").click()
    expect(page.locator("#announce")).to_have_text("Copied the API key.")
    assert page.evaluate("navigator.clipboard.readText()") == token
    assert token not in page.url
    page.reload()
    expect(page.get_by_text(token)).to_have_count(0)
    assert [key.name for key in aside(list_api_keys, acme.id)].count("billing-service") == 1
    page.get_by_role("link", name="Revoke billing-service").click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_role("row", name="billing-service")).to_contain_text("Revoked")
    with pytest.raises(CredentialInvalid):
        aside(get_caller, token)


def test_a_copy_that_fails_is_not_called_a_success(
    page: Page, watch: Watch, console: str, acme: TenantView, operator: str
) -> None:
    sign_in(page, console, operator)
    page.goto(f"{console}/console/tenants/{acme.slug}/")
    page.evaluate("navigator.clipboard.writeText = () => Promise.reject(new Error('no')), 0")
    page.get_by_role("button", name="Copy key ARN").first.click()
    expect(page.locator("#announce")).to_contain_text("Copying failed")


def test_a_key_admin_changes_a_rule_and_sees_it_come_into_force(
    page: Page, watch: Watch, console: str
) -> None:
    tenant = aside(Cast().acme)
    email = address("key-admin")
    aside(join, tenant, email, "key_admin")
    sign_in(page, console, email)
    expect(page.get_by_role("heading", name=tenant.name)).to_be_visible()  # their only tenant
    page.get_by_role("link", name=f"Change the rule of {ABROAD}").click()
    page.get_by_label("Nothing").check()
    page.get_by_role("button", name="Apply the rule").click()
    row = row_of(page, ABROAD)
    expect(row).to_contain_text("Not in force")
    expect(row).to_contain_text("Decrypts nothing")
    aside(run_plan, tenant)
    expect(row).not_to_contain_text("Not in force", timeout=15_000)
    expect(page.get_by_text("under its policy and verified in all 3 Regions")).to_be_visible()
    rule = next(rule for rule in aside(list_region_rules, tenant.id) if rule.region == ABROAD)
    assert (rule.may_encrypt, rule.may_decrypt) == (True, ())


def test_an_owner_revokes_another_signs_in_and_sees_it_and_the_tenant_comes_back(
    page: Page, watch: Watch, browser: Browser, console: str
) -> None:
    tenant = aside(Cast().acme)
    owner, colleague = address("owner"), address("developer")
    aside(join, tenant, owner, "owner")
    aside(join, tenant, colleague, "developer")
    sign_in(page, console, owner)
    page.get_by_role("link", name="Danger zone").click()
    page.get_by_role("link", name="Revoke").click()
    page.get_by_label("Reason").fill("A key was leaked")
    page.get_by_label("Slug of the tenant").fill("another")
    page.get_by_role("button", name="Revoke the tenant").click()
    expect(page.get_by_text("This is not the slug of the tenant.")).to_be_visible()
    page.get_by_label("Slug of the tenant").fill(tenant.slug)
    page.get_by_role("button", name="Revoke the tenant").click()
    expect(page.get_by_text("It is not proven in every Region yet.")).to_be_visible()
    aside(run_plan, tenant)
    expect(page.get_by_text("is proven in every Region")).to_be_visible(timeout=15_000)
    report = page.get_by_role("table", name="The revocation of")
    for region in (HOME, ABROAD):
        expect(report.get_by_role("row", name=region)).to_contain_text("Proven")
    with browser.new_context() as other:
        second = other.new_page()
        sign_in(second, console, colleague)
        expect(second.get_by_text("is revoked: its requests are refused.")).to_be_visible()
        second.get_by_role("link", name="Danger zone").click()
        expect(second.get_by_text("A key was leaked")).to_be_visible()
        expect(second.get_by_role("link", name="Restore")).to_have_count(0)
    page.get_by_role("link", name="Restore").click()
    page.get_by_role("button", name="Restore the tenant").click()
    expect(page.get_by_text("steps are done. Its requests are refused")).to_be_visible()
    aside(run_plan, tenant)
    expect(page.get_by_text("is served.")).to_be_visible(timeout=15_000)


def test_two_members_end_a_tenant_and_one_of_them_calls_it_off(
    page: Page, watch: Watch, browser: Browser, console: str
) -> None:
    tenant = aside(Cast().globex)
    owner, admin = address("owner"), address("key-admin")
    aside(join, tenant, owner, "owner")
    aside(join, tenant, admin, "key_admin")
    sign_in(page, console, owner)
    page.get_by_role("link", name="Danger zone").click()
    page.get_by_role("link", name="Request the end").click()
    page.get_by_label("Reason").fill("The contract ends")
    page.get_by_label("Waiting period in days").fill("7")
    page.get_by_label("Slug of the tenant").fill(tenant.slug)
    page.get_by_role("button", name="Request the end").click()
    expect(page.get_by_text(f"May approve: {admin}")).to_be_visible()
    expect(page.get_by_role("link", name="Approve")).to_have_count(0)
    with browser.new_context() as other:
        second = other.new_page()
        sign_in(second, console, admin)
        second.get_by_role("link", name="Danger zone").click()
        second.get_by_role("link", name="Approve").click()
        expect(second.get_by_text(owner)).to_be_visible()
        expect(second.get_by_text("There are no records")).to_be_visible()
        second.get_by_label("Slug of the tenant").fill(tenant.slug)
        second.get_by_role("button", name="Approve the end").click()
        expect(second.get_by_text("is leaving: its requests are refused")).to_be_visible()
    page.reload()
    expect(page.get_by_text(f"{admin}")).to_be_visible()
    page.get_by_role("link", name="Call it off").click()
    page.get_by_role("button", name="Call it off").click()
    expect(page.get_by_text("The end is called off.")).to_be_visible()
    aside(run_plan, tenant)
    assert aside(get_tenant, tenant.slug).state == "active"
    page.get_by_role("link", name="Plans").click()
    expect(page.get_by_role("row", name="Restoration")).to_contain_text("Done")


def test_everything_but_the_refresh_works_without_javascript(
    browser: Browser, console: str, acme: TenantView, operator: str
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, console, operator)
        page.get_by_label("Search by slug or name").fill(acme.slug)
        page.get_by_role("button", name="Search").click()
        page.get_by_role("link", name=acme.name).click()
        expect(page.get_by_role("button", name="Copy key ARN")).to_have_count(0)
        page.get_by_role("link", name="API keys").click()
        page.get_by_label("Name").fill("plain")
        page.get_by_label("records:search").check()
        page.get_by_role("button", name="Issue the key").click()
        assert aside(get_caller, page.locator("#token").inner_text()).scopes == {"records:search"}


def test_what_was_written_through_a_distant_region_is_on_the_next_page(
    browser: Browser, stack: Stack, acme: TenantView, operator: str
) -> None:
    with running_gateway(stack, ABROAD) as url, browser.new_context() as context:
        page = context.new_page()
        watch = Watch(page, url)
        sign_in(page, url, operator)
        expect(page.get_by_role("contentinfo")).to_contain_text("Ireland")
        for number in range(3):
            page.goto(f"{url}/console/tenants/{acme.slug}/members/")
            email = address(f"far-{number}")
            page.get_by_label("E-mail address").fill(email)
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_role("row", name=email)).to_have_count(1)
        assert watch.faults == []


def make_others() -> list[TenantView]:
    """A tenant that is revoked, one that a member wants to end, and one whose key drifts; and a key of nobody."""
    revoked, ending, drifting = Cast().globex(), Cast().globex(), Cast().globex()
    revoke_tenant(tenant_id=revoked.id, reason="Leaked", actor=OPERATOR)
    run_plan(revoked)
    owner = Actor(kind="member", id=str(new_owner(ending)))
    request_offboarding(tenant_id=ending.id, reason="It ends", waiting_days=7, actor=owner)
    open_a_backdoor(drifting, ABROAD)
    orphan()
    return [revoked, ending, drifting]


def new_owner(tenant: TenantView) -> UUID:
    """The user id of a new owner."""
    join(tenant, address("owner"), "owner")
    return list_members(tenant.id)[0].user_id


def pages_of(
    acme: TenantView, initech: TenantView, api_key_id: Any, others: Sequence[TenantView]
) -> list[str]:
    tenant = f"/console/tenants/{acme.slug}"
    return [
        "/console/",
        f"/console/?q={initech.slug}",
        "/console/?q=no-such-tenant",
        "/console/onboard/",
        "/console/glossary/",
        "/console/password/",
        "/console/sign-out/",
        f"{tenant}/",
        f"/console/tenants/{initech.slug}/",
        f"{tenant}/regions/{ABROAD}/",
        f"{tenant}/api-keys/",
        f"/console/tenants/{initech.slug}/api-keys/",
        f"{tenant}/api-keys/{api_key_id}/revoke/",
        f"{tenant}/members/",
        f"{tenant}/audit/",
        f"{tenant}/keys/",
        *(f"{tenant}/keys/{each}/" for each in ("rotate", "rotation", "data-keys", "reencrypt")),
        *(f"{tenant}/keys/{ABROAD}/{each}/" for each in ("repair", "remove", "keep", "primary")),
        f"{tenant}/keys/add-region/",
        f"{tenant}/plans/",
        *(f"{tenant}/plans/{plan.plan_id}/" for plan in aside(list_plans, acme.id)[:1]),
        *(f"{tenant}/plans/{plan.plan_id}/cancel/" for plan in aside(list_plans, acme.id)[:1]),
        f"/console/tenants/{initech.slug}/plans/",
        *(f"{tenant}/danger/{each}" for each in ("", "revoke/", "restore/", "end/", "end/cancel/")),
        *(f"/console/tenants/{other.slug}/danger/" for other in others),
        f"/console/tenants/{others[1].slug}/danger/end/approve/",
        f"/console/tenants/{others[0].slug}/",
        f"/console/tenants/{others[2].slug}/keys/",
        "/console/fleet/",
        f"/console/fleet/drift/?after={others[2].slug[:-1]}",
        "/console/tenants/nobody/",
    ]


@pytest.mark.parametrize("look", [("light", WIDE), ("dark", NARROW)], ids=["light", "dark"])
def test_every_page_is_accessible_keeps_the_policy_and_fits_its_window(
    browser: Browser, console: str, acme: TenantView, operator: str, look: Any
) -> None:
    theme, size = look
    initech = aside(Cast().initech)
    (key, *_) = aside(list_api_keys, acme.id)
    paths = pages_of(acme, initech, key.id, aside(make_others))
    with browser.new_context(color_scheme=theme, viewport=size) as context:
        page = context.new_page()
        watch = Watch(page, console)
        sign_in(page, console, operator)
        state = context.storage_state()
        for path in paths:
            page.goto(console + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
        assert watch.faults == []
    # axe is injected, which the policy rightly forbids: so it has contexts of its own that ignore the policy.
    with browser.new_context(color_scheme=theme, viewport=size, bypass_csp=True) as context:
        assert (
            findings(context.new_page(), console, ["/console/sign-in/", "/console/sign-up/"]) == []
        )
    with browser.new_context(
        color_scheme=theme, viewport=size, bypass_csp=True, storage_state=state
    ) as context:
        assert findings(context.new_page(), console, paths) == []


def findings(page: Page, console: str, paths: Sequence[str]) -> list[str]:
    """What axe has found on these pages, where it is serious or critical."""
    found = []
    for path in paths:
        page.goto(console + path)
        for rule in Axe().run(page, options=RULES).response["violations"]:
            if rule["impact"] in ("serious", "critical"):
                found.append(f"{path} {rule['id']}: {[node['target'] for node in rule['nodes']]}")
    return found


def row_of(page: Page, region: str) -> Any:
    """The line of a Region in the table of keys."""
    return page.get_by_role("table", name="in each Region").get_by_role("row", name=region)


def _hide(page: Page, hidden: bool) -> None:
    """What a browser does when its tab goes to the background; headless ones never do."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )
