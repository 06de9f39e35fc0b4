"""Collections: defined once, the same again changes nothing, and never another's."""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from tenants.errors import (
    CollectionExists,
    CollectionNotFound,
    InputInvalid,
    LimitReached,
    RegionNotAllowed,
    ScopeMissing,
    TenantNotActive,
)
from tenants.selectors import Caller, list_audit_events
from tenants.selectors.collections import get_collection, list_collections
from tenants.services import collections
from tenants.services.collections import define_collection
from tests.callers import PEOPLE, caller_of, shared_globex
from tests.cast import Cast, as_region

NOTES: dict[str, Any] = {"fields": [{"name": "text", "type": "string", "protection": "clear"}]}


@pytest.fixture
def name() -> str:
    return f"notes-{secrets.token_hex(4)}"


def test_a_defined_collection_is_found(acme: Caller, name: str) -> None:
    made = define_collection(caller=acme, name=name, document=NOTES)
    assert (made.name, made.document, made.created) == (name, NOTES, True)
    found = get_collection(acme, name)
    assert (found.document, found.created_at) == (NOTES, made.created_at)
    assert name in [view.name for view in list_collections(acme)]


def test_the_same_again_changes_nothing(acme: Caller, name: str) -> None:
    first = define_collection(caller=acme, name=name, document=NOTES)
    spelled_out: Any = {"fields": [{**NOTES["fields"][0], "required": False, "searchable": False}]}
    again = define_collection(caller=acme, name=name, document=spelled_out)
    assert not again.created
    assert (again.document, again.created_at) == (first.document, first.created_at)


def test_another_schema_of_the_same_name_is_refused(acme: Caller, name: str) -> None:
    define_collection(caller=acme, name=name, document=NOTES)
    with pytest.raises(CollectionExists):
        define_collection(caller=acme, name=name, document=PEOPLE)
    assert get_collection(acme, name).document == NOTES


def test_there_is_a_most_of_them_and_those_that_are_there_stay(
    acme: Caller, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    define_collection(caller=acme, name=name, document=NOTES)
    monkeypatch.setattr(collections, "MAX_COLLECTIONS", len(list_collections(acme)))
    with pytest.raises(LimitReached):
        define_collection(caller=acme, name=f"{name}-more", document=NOTES)
    with pytest.raises(CollectionNotFound):
        get_collection(acme, f"{name}-more")
    assert not define_collection(caller=acme, name=name, document=NOTES).created


def test_a_tenant_that_is_not_served_sees_none(acme: Caller, name: str) -> None:
    define_collection(caller=acme, name=name, document=NOTES)
    for look in (list_collections, lambda caller: get_collection(caller, name)):
        with pytest.raises(TenantNotActive):
            look(replace(acme, state="revoked"))
        with pytest.raises(RegionNotAllowed):
            look(replace(acme, rules={}))


def test_many_who_define_it_at_once_make_one(acme: Caller, name: str) -> None:
    created = []

    def define() -> None:
        created.append(define_collection(caller=acme, name=name, document=NOTES).created)
        for connection in connections.all(initialized_only=True):
            connection.close()

    threads = [threading.Thread(target=define) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [False] * 5 + [True]


def test_two_tenants_may_use_the_same_name(acme: Caller, name: str) -> None:
    globex = caller_of(shared_globex())
    with as_region("eu-west-1"):
        define_collection(caller=globex, name=name, document=PEOPLE)
    assert define_collection(caller=acme, name=name, document=NOTES).created


@pytest.mark.parametrize("bad", ["", "Notes", "1st", "-", "a" * 65, "a b", "a\n", "a\0", "ä"])
def test_a_bad_name_is_refused_and_never_found(acme: Caller, bad: str) -> None:
    with pytest.raises(InputInvalid):
        define_collection(caller=acme, name=bad, document=NOTES)
    with pytest.raises(CollectionNotFound):
        get_collection(acme, bad)


def test_a_bad_schema_is_refused_with_its_places(acme: Caller, name: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        define_collection(caller=acme, name=name, document={"fields": [{}]})
    assert {place for place, _ in caught.value.problems} == {
        "/fields/0/name",
        "/fields/0/type",
        "/fields/0/protection",
    }
    with pytest.raises(CollectionNotFound):
        get_collection(acme, name)


def test_a_key_without_the_scope_defines_nothing(name: str, acme: Caller) -> None:
    reader = replace(acme, scopes=frozenset(["records:read"]))
    with pytest.raises(ScopeMissing):
        define_collection(caller=reader, name=name, document=NOTES)


def test_a_tenant_that_is_half_onboarded_defines_nothing(cast: Cast, name: str) -> None:
    with pytest.raises(TenantNotActive):
        define_collection(caller=caller_of(cast.initech()), name=name, document=NOTES)


def test_defining_is_in_the_audit_log_once(acme: Caller, name: str) -> None:
    for _ in range(2):
        define_collection(caller=acme, name=name, document=NOTES)
    events = [
        event
        for event in list_audit_events(acme.tenant_id, before=None, limit=100)
        if (event.action, event.subject) == ("collection.defined", name)
    ]
    assert [(event.actor_kind, event.actor_id) for event in events] == [
        ("api_key", str(acme.api_key_id))
    ]
