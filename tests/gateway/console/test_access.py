"""Who sees and does what: every URL of the console, against everybody who might try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from gateway.console.access import Permission
from gateway.console.page import Page
from gateway.console.urls import pages
from tenants.selectors import TenantView, get_progress, list_api_keys, list_members
from tenants.services.access import create_operator, issue_api_key, remove_member
from tests.cast import OPERATOR, Cast
from tests.gateway.console.people import (
    PASSWORD,
    address,
    as_member,
    as_operator,
    join,
    session_of,
)

WRITES = {
    "verify": Permission.KEYS,
    "rule": Permission.KEYS,
    "api-keys": Permission.API_KEYS,
    "revoke-api-key": Permission.API_KEYS,
    "members": Permission.MEMBERS,
    "remove-member": Permission.MEMBERS,
    "retry": Permission.FLEET,
    "repair": Permission.KEYS,
    "rotate": Permission.KEYS,
    "rotation": Permission.KEYS,
    "retire-data-keys": Permission.KEYS,
    "reencrypt": Permission.KEYS,
    "add-region": Permission.FLEET,
    "remove-region": Permission.FLEET,
    "keep-region": Permission.FLEET,
    "make-primary": Permission.FLEET,
    "cancel-plan": Permission.FLEET,
    "revoke": Permission.KEYS,
    "refresh-revocation": Permission.KEYS,
    "restore": Permission.KEYS,
    "request-end": Permission.KEYS,
    "approve-end": Permission.KEYS,
    "cancel-end": Permission.KEYS,
}
ROLES = {
    "owner": {Permission.KEYS, Permission.API_KEYS, Permission.MEMBERS},
    "key_admin": {Permission.KEYS},
    "developer": {Permission.API_KEYS},
    "auditor": set(),
}
READS = ("tenant", "keys", "plans", "plan", "api-keys", "members", "audit", "danger")
POSTED = ("verify", "retry", "refresh-revocation")  # have no page of their own
# A page to read too, once there is something on it.
LATER = ("certificate",)
FLEET = ("onboard", "fleet", "fleet-drift", "adopt-orphan", "schedule-orphan")


def page_class(pattern: Any) -> type[Page]:
    found: type[Page] = pattern.callback.view_class
    assert issubclass(found, Page)
    return found


def urls_of(tenant: TenantView) -> Iterator[tuple[str, str]]:
    """Every page of the console that concerns a tenant, by name."""
    some: dict[str, Any] = {
        "slug": tenant.slug,
        "region": tenant.home_region,
        "plan_id": get_progress(tenant.id).plan_id,
    }
    for pattern in pages:
        names = pattern.pattern.converters.keys()
        if "slug" in names:
            values = {name: some.get(name, uuid4()) for name in names}
            yield str(pattern.name), reverse(f"console:{pattern.name}", kwargs=values)


@pytest.fixture(scope="module")
def initech() -> TenantView:
    return Cast().initech()


@pytest.fixture(scope="module")
def globex_owner() -> Client:
    return as_member(Cast().initech(), "owner")


def test_every_handler_of_every_page_names_the_permission_that_it_needs() -> None:
    for pattern in pages:
        found = page_class(pattern)
        handlers = {
            name
            for name in ("GET", "POST", "PUT", "PATCH", "DELETE")
            if hasattr(found, name.lower())
        }
        assert handlers == set(found.needs), found


def test_a_page_that_names_no_permission_is_closed_even_to_an_operator(rf: Any) -> None:
    class Forgotten(Page):
        def get(self, request: Any) -> None:
            raise AssertionError("reached")

    email = address("operator")
    create_operator(email=email, password=PASSWORD)
    request = rf.get("/console/")
    request.user = session_of(email).get("/console/").wsgi_request.user
    with pytest.raises(PermissionDenied):
        Forgotten.as_view()(request)


def test_whoever_is_not_signed_in_is_sent_to_the_sign_in_page_and_back(initech: TenantView) -> None:
    for _, url in urls_of(initech):
        for answer in (Client().get(url), Client().post(url)):
            assert answer.status_code == 302
            assert answer["Location"] == f"/console/sign-in/?next={url}"


def test_a_fragment_for_somebody_whose_session_ended_reloads_the_whole_page(
    initech: TenantView,
) -> None:
    answer = Client().get(
        reverse("console:tenant", args=[initech.slug]), headers={"HX-Request": "true"}
    )
    assert answer["HX-Refresh"] == "true"
    assert answer.content == b""


def test_a_member_of_globex_finds_nothing_under_any_url_of_acme(
    initech: TenantView, globex_owner: Client
) -> None:
    for _, url in urls_of(initech):
        assert globex_owner.get(url).status_code == 404
        assert globex_owner.post(url).status_code == 404


def test_a_tenant_that_is_not_yours_looks_just_like_one_that_is_not_there(
    initech: TenantView, globex_owner: Client
) -> None:
    theirs = globex_owner.get(reverse("console:tenant", args=[initech.slug]))
    nowhere = globex_owner.get(reverse("console:tenant", args=["no-such-tenant"]))
    assert theirs.status_code == nowhere.status_code == 404
    # Only what names the request itself may differ.
    assert _without_ids(theirs) == _without_ids(nowhere)


def test_somebody_without_any_tenant_is_told_why_the_list_is_empty(initech: TenantView) -> None:
    email = address("left")
    member_id = join(initech, email, "developer")
    client = session_of(email)
    assert client.get(reverse("console:tenant", args=[initech.slug])).status_code == 200
    remove_member(tenant_id=initech.id, member_id=member_id, actor=OPERATOR)
    assert client.get(reverse("console:tenant", args=[initech.slug])).status_code == 404
    assert "not a member of any tenant" in client.get("/console/").content.decode()


def test_the_tables_of_this_test_know_every_page() -> None:
    known = {"home", "glossary", *FLEET, *READS, *LATER, *WRITES}
    assert {pattern.name for pattern in pages} == known


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_everything_and_does_what_the_table_allows_it(
    initech: TenantView, role: str
) -> None:
    client = as_member(initech, role)
    urls = dict(urls_of(initech))
    assert {name: client.get(urls[name]).status_code for name in READS} == dict.fromkeys(READS, 200)
    assert client.get(urls["certificate"]).status_code == 404
    for name, permission in WRITES.items():
        allowed = permission in ROLES[role]
        if name not in (*READS, *POSTED):
            assert (client.get(urls[name]).status_code != 403) == allowed, name
        assert (client.post(urls[name]).status_code != 403) == allowed, name


@pytest.mark.parametrize("role", ROLES)
def test_the_fleet_is_closed_to_every_member(initech: TenantView, role: str) -> None:
    client = as_member(initech, role)
    for pattern in pages:
        if pattern.name in FLEET:
            names = pattern.pattern.converters.keys()
            url = reverse(f"console:{pattern.name}", kwargs={name: uuid4() for name in names})
            assert {client.get(url).status_code, client.post(url).status_code} <= {403, 405}, url
    assert "/console/fleet/" not in client.get(dict(urls_of(initech))["tenant"]).content.decode()


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_may_not_do_is_not_offered_to_it(initech: TenantView, role: str) -> None:
    client = as_member(initech, role)
    urls = dict(urls_of(initech))
    keys = client.get(urls["api-keys"]).content.decode()
    assert ("Issue the key" in keys) == (Permission.API_KEYS in ROLES[role])
    people = client.get(urls["members"]).content.decode()
    assert ("Add a member" in people) == (Permission.MEMBERS in ROLES[role])


def test_an_auditor_changes_nothing(initech: TenantView) -> None:
    issued = issue_api_key(
        tenant_id=initech.id, name="kept", scopes=["records:read"], actor=OPERATOR
    )
    auditor = as_member(initech, "auditor")
    before = (list_api_keys(initech.id), list_members(initech.id))
    url = reverse("console:revoke-api-key", args=[initech.slug, issued.view.id])
    assert auditor.post(url).status_code == 403
    assert auditor.get(url).status_code == 403
    url = reverse("console:members", args=[initech.slug])
    form = {"email": address("friend"), "role": "owner", "password": PASSWORD}
    assert auditor.post(url, form).status_code == 403
    assert (list_api_keys(initech.id), list_members(initech.id)) == before


def test_only_an_operator_onboards_and_sees_the_fleet(
    initech: TenantView, globex_owner: Client
) -> None:
    assert globex_owner.get("/console/onboard/").status_code == 403
    assert globex_owner.post("/console/onboard/").status_code == 403
    assert (
        globex_owner.get("/console/", {"q": initech.slug}).status_code == 302
    )  # to their only tenant
    operator = as_operator()
    assert operator.get("/console/onboard/").status_code == 200
    assert initech.slug in operator.get("/console/", {"q": initech.slug}).content.decode()
    assert {operator.get(dict(urls_of(initech))[name]).status_code for name in READS} == {200}


def test_a_form_without_its_token_is_refused(initech: TenantView) -> None:
    strict = Client(enforce_csrf_checks=True)
    email = address("owner")
    join(initech, email, "owner")
    strict.cookies = session_of(email).cookies
    answer = strict.post(reverse("console:api-keys", args=[initech.slug]), {"name": "x"})
    assert answer.status_code == 403


def test_pages_are_kept_by_no_cache(initech: TenantView) -> None:
    operator = as_operator()
    for _, url in urls_of(initech):
        answer = operator.get(url)
        if answer.status_code == 200:
            assert "no-store" in answer["Cache-Control"], url


def _without_ids(answer: Any) -> str:
    return re.sub(
        r"[0-9a-f]{8}-[0-9a-f-]{27}|no-such-tenant|initech-[0-9a-f]{8}", "", answer.content.decode()
    )
