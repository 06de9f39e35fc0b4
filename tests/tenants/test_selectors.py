"""Selectors show a tenant its own and nothing else, at a cost that does not grow with the number of tenants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, connections
from django.test.utils import CaptureQueriesContext

from tenants.actor import Actor
from tenants.errors import NotFound
from tenants.models import AuditEvent
from tenants.models.base import new_id
from tenants.request import request_id
from tenants.scope import tenant_scope
from tenants.selectors import (
    get_key_id,
    get_progress,
    get_tenant,
    list_api_keys,
    list_audit_events,
    list_members,
    list_region_rules,
    list_regional_keys,
    list_tenants,
)
from tenants.services.access import add_member, issue_api_key
from tenants.services.audit import record_event
from tenants.services.onboarding import RegionRuleInput
from tests.cast import OPERATOR, Cast

OF_ONE_TENANT: list[Callable[[Any], Any]] = [
    list_regional_keys,
    list_region_rules,
    list_api_keys,
    list_members,
    lambda tenant_id: list_audit_events(tenant_id, before=None, limit=100),
    lambda tenant_id: get_progress(tenant_id).operations,
    lambda tenant_id: [get_key_id(tenant_id)] if get_key_id(tenant_id) else [],
]


@pytest.mark.parametrize("selector", OF_ONE_TENANT)
def test_a_selector_shows_one_tenant_and_nothing_to_one_that_is_not_there(
    cast: Cast, selector: Callable[[Any], Any]
) -> None:
    rule = RegionRuleInput("eu-west-1", may_decrypt=("pii",))
    acme, globex = cast.acme(eu_west_1=rule), cast.globex()
    for tenant in (acme, globex):
        issue_api_key(tenant_id=tenant.id, name="a", scopes=["records:read"], actor=OPERATOR)
        add_member(
            tenant_id=tenant.id,
            email=f"{tenant.slug}@example.com",
            password=None,
            role="owner",
            actor=OPERATOR,
        )
    mine, theirs = selector(acme.id), selector(globex.id)
    assert mine
    assert theirs
    assert not {repr(one) for one in mine} & {repr(one) for one in theirs}
    assert not selector(new_id())


def test_a_tenant_is_found_by_its_slug_alone(cast: Cast) -> None:
    acme = cast.initech()
    assert get_tenant(acme.slug) == acme
    for slug in (acme.slug.upper(), acme.slug[:-1], "", "%"):
        with pytest.raises(NotFound):
            get_tenant(slug)


def test_the_list_of_tenants_comes_in_pages_by_slug(cast: Cast) -> None:
    made = sorted((cast.initech() for _ in range(3)), key=lambda tenant: tenant.slug)
    found = []
    after: str | None = made[0].slug[:-1] if made else None
    while len(page := list_tenants(after=after, limit=2)) and page[0].tenant.slug <= made[-1].slug:
        found += [one.tenant.slug for one in page]
        after = page[-1].tenant.slug
    assert found == sorted(found)
    assert {tenant.slug for tenant in made} <= set(found)


def test_a_summary_tells_regions_home_first_and_how_far_the_newest_plan_is(cast: Cast) -> None:
    acme, initech = cast.acme(), cast.initech()
    for tenant, done in ((acme, 14), (initech, 0)):
        [summary] = list_tenants(after=tenant.slug[:-1], limit=1)
        assert summary.tenant == tenant
        assert summary.regions == ("us-east-2", "eu-west-1", "us-west-1")
        assert (summary.done, summary.total, summary.failed) == (done, 14, 0)


def test_a_page_of_tenants_costs_the_same_however_many_there_are(cast: Cast) -> None:
    for _ in range(3):
        cast.initech()
    costs = []
    for limit in (1, 50):
        with (
            CaptureQueriesContext(connections["local"]) as local,
            CaptureQueriesContext(connections["default"]) as writer,
        ):
            list_tenants(after=None, limit=limit)
        costs.append(len([one for one in [*local, *writer] if "tenants_" in one["sql"]]))
    assert costs == [3, 3]


def test_audit_events_come_newest_first_and_in_pages(cast: Cast) -> None:
    tenant = cast.initech()
    for number in range(5):
        with tenant_scope(tenant.id, "write"):
            record_event(tenant_id=tenant.id, actor=OPERATOR, action=f"test.{number}")
    first = list_audit_events(tenant.id, before=None, limit=3)
    second = list_audit_events(tenant.id, before=first[-1].id, limit=3)
    actions = [event.action for event in [*first, *second]]
    assert actions == [
        "test.4",
        "test.3",
        "test.2",
        "test.1",
        "test.0",
        "tenant.onboarding_started",
    ]


def test_an_event_says_who_where_and_in_which_request(cast: Cast) -> None:
    tenant = cast.initech()
    token = request_id.set("req-1")
    with tenant_scope(tenant.id, "write"):
        record_event(
            tenant_id=tenant.id,
            actor=Actor("member", "m-1"),
            action="test.done",
            subject="x",
            detail={"n": 1},
        )
    request_id.reset(token)
    [event] = list_audit_events(tenant.id, before=None, limit=1)
    assert (event.actor_kind, event.actor_id, event.region, event.request_id) == (
        "member",
        "m-1",
        "us-east-2",
        "req-1",
    )
    assert (event.action, event.subject, event.detail) == ("test.done", "x", {"n": 1})


def test_an_event_cannot_be_changed_or_removed_by_the_application(cast: Cast) -> None:
    tenant = cast.initech()
    mine = AuditEvent.objects.filter(tenant_id=tenant.id)
    with pytest.raises(DatabaseError), tenant_scope(tenant.id, "write"):
        mine.update(action="nothing")
    with pytest.raises(DatabaseError), tenant_scope(tenant.id, "write"):
        mine.delete()


def test_onboarding_leaves_a_trail_of_every_key_and_region(cast: Cast) -> None:
    acme = cast.acme()
    events = list_audit_events(acme.id, before=None, limit=100)
    subjects = {(event.action, event.subject) for event in events}
    for key in list_regional_keys(acme.id):
        made = "key.created" if key.role == "primary" else "key.replicated"
        assert {(made, key.arn), ("key.published", key.arn), ("key.verified", key.arn)} <= subjects
    assert {"tenant.onboarding_started", "tenant.activated"} <= {event.action for event in events}
    where = {event.region for event in events if event.action == "key.verified"}
    assert where == {"us-east-2", "us-west-1", "eu-west-1"}
