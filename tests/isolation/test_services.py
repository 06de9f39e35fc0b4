"""No use case lets one tenant reach what is another's: with all fences, and with the query's own filter alone."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from typing import Any

import orjson
import pytest

import tenants.selectors
import tenants.services
from crypto.errors import DecryptionFailed
from tenants.errors import CredentialInvalid, NotFound
from tenants.schema.conditions import read_conditions
from tenants.scope import tenant_scope
from tenants.selectors import get_caller, get_key_id, get_tenant
from tenants.selectors.collections import StoredCollection, get_collection, load_collection
from tenants.selectors.records import (
    Fetched,
    fetch_page,
    fetch_records,
    fetch_to_change,
    fetch_versions,
)
from tenants.selectors.search import Criterion, Found, fetch_found
from tenants.services.collections import define_collection
from tenants.services.records import (
    RecordFault,
    RecordPage,
    SearchCondition,
    create_record,
    read_record,
    search_records,
)
from tenants.services.records.views import RecordInput
from tests.callers import as_superuser, token_of
from tests.cast import as_region
from tests.isolation.attempts import ATTEMPTS, WITHOUT_ATTEMPT, Attempt
from tests.isolation.test_catalogue import tenant_tables
from tests.isolation.world import FIELDS, Side, World, without_row_level_security, world
from tests.stack import Stack

NOTHING = Fetched([], frozenset())


def use_cases() -> Iterator[str]:
    """Every public function of the services and selectors that is told for which tenant it works."""
    for package in (tenants.services, tenants.selectors):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, function in vars(import_module(module.name)).items():
                if inspect.isfunction(function) and function.__module__ == module.name:
                    told = {"caller", "tenant_id"} & inspect.signature(function).parameters.keys()
                    if told and not name.startswith("_"):
                        yield name


def test_every_use_case_is_tried_or_says_why_not() -> None:
    found = set(use_cases())
    assert found == ATTEMPTS.keys() | WITHOUT_ATTEMPT.keys()
    assert not ATTEMPTS.keys() & WITHOUT_ATTEMPT.keys()


def names_of(side: Side) -> list[str]:
    """Everything that tells of this tenant."""
    ids = [side.id, side.api_key, side.member, side.operation, side.event]
    own = [side.caller.slug, side.collection, side.record, get_key_id(side.id)]
    return [*map(str, ids), *(one.hex for one in ids), *own]


def shown(value: Any) -> str:
    """A value and all that is inside of it, as text."""
    return orjson.dumps(
        value, default=lambda other: getattr(other, "error", None) or str(other)
    ).decode()


def stored(stack: Stack, side: Side) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a tenant."""
    from psycopg import sql

    connection: Any = stack.connect()
    with connection:
        return {
            table: connection.execute(
                sql.SQL("select t::text from {} t where tenant_id = %s order by 1").format(
                    sql.Identifier(table)
                ),
                [side.id],
            ).fetchall()
            for table in tenant_tables()
        }


EACH = [
    pytest.param(attempt, id=f"{name}-{number}")
    for name, attempts in ATTEMPTS.items()
    for number, attempt in enumerate(attempts)
]


@pytest.mark.parametrize("fences", ["all", "query alone"])
@pytest.mark.parametrize("attempt", EACH)
def test_what_is_another_tenants_is_not_found_not_changed_and_not_told(
    stack: Stack, attempt: Attempt, fences: str
) -> None:
    both = world()
    before = stored(stack, both.acme)
    answer: Any = None
    with (
        as_region("eu-west-1"),
        without_row_level_security(stack) if fences == "query alone" else nullcontext(),
    ):
        try:
            answer = attempt(both)
        except NotFound as absent:
            answer = str(absent)
    if isinstance(answer, list):
        answer = [str(one.error) if isinstance(one, RecordFault) else one for one in answer]
    text = shown(answer)
    assert [name for name in names_of(both.acme) if name in text] == []
    assert stored(stack, both.acme) == before


def test_equal_names_are_two_things(stack: Stack) -> None:
    """A name that Acme uses is free for Globex: neither a conflict nor an answer tells that it is taken."""
    both = world()
    before = stored(stack, both.acme)
    other: Any = {"fields": [{"name": "other", "type": "string", "protection": "clear"}]}
    with as_region("eu-west-1"):
        made = define_collection(
            caller=both.globex.caller, name=both.acme.collection, document=other
        )
        assert made.document == other
        where: Any = {"caller": both.globex.caller, "collection": both.globex.collection}
        with_their_id = RecordInput(both.acme.record, {**FIELDS, "email": "new@x.org"})
        assert create_record(**where, record=with_their_id).version == 1
    assert stored(stack, both.acme) == before
    as_superuser(
        stack,
        "delete from tenants_collection where tenant_id = %s and name = %s",
        both.globex.id,
        both.acme.collection,
    )
    as_superuser(
        stack,
        "delete from tenants_record where tenant_id = %s and record_id = %s",
        both.globex.id,
        both.acme.record,
    )


def test_the_same_value_has_another_token_in_each_tenant(stack: Stack) -> None:
    both = world()
    tokens = as_superuser(
        stack,
        "select distinct tenant_id, token from tenants_blindindexentry"
        " where field = 'email' and tenant_id = any(%s)",
        [both.acme.id, both.globex.id],
    )
    assert len({bytes(token) for _, token in tokens}) == len(tokens) >= 2


def find(side: Side, target: StoredCollection, token: bytes) -> Found:
    [condition] = read_conditions(target.schema, [SearchCondition("email", "eq", "ann@x.org")])
    criteria = [Criterion(condition, (token,))]
    return fetch_found(side.id, target.id, criteria, after=None, limit=5)


def test_row_level_security_alone_hides_the_rows(stack: Stack) -> None:
    """Queries that name Acme, run in Globex's scope: as if a service had mixed up the tenants."""
    acme, globex = world().acme, world().globex
    with tenant_scope(acme.id, "read"):
        theirs = load_collection(acme.id, acme.collection)
        assert fetch_records(acme.id, theirs.id, [acme.record]).records
    with tenant_scope(globex.id, "read"):
        with pytest.raises(NotFound):
            load_collection(acme.id, acme.collection)
        assert fetch_records(acme.id, theirs.id, [acme.record]) == NOTHING
        assert fetch_page(acme.id, theirs.id, "", 500) == NOTHING
    [(token,)] = as_superuser(
        stack,
        "select token from tenants_blindindexentry where collection_id = %s and field = 'email'",
        theirs.id,
    )
    with tenant_scope(acme.id, "read"):
        assert find(acme, theirs, bytes(token)).records
    with tenant_scope(globex.id, "read"):
        assert find(acme, theirs, bytes(token)) == Found([], None)
        assert fetch_versions(acme.id, theirs.id, [acme.record]) == {}
        assert fetch_to_change(acme.id, theirs.id, acme.record, opened=[], touched=[]) is None


def test_the_encryption_context_alone_keeps_the_values(stack: Stack) -> None:
    """Acme's rows in the hands of Globex's key: as if every fence of the database had fallen."""
    acme, globex = world().acme, world().globex
    assert acme.caller.key
    assert globex.caller.key
    # With the Regions of Acme's key, so that the gateway's own check of the Region does not come first.
    theirs = replace(globex.caller.key, regions=acme.caller.key.regions)
    mixed_up = replace(acme.caller, key=theirs)
    with pytest.raises(DecryptionFailed):
        read_record(caller=mixed_up, collection=acme.collection, record_id=acme.record)
    with as_region("eu-west-1"), pytest.raises(DecryptionFailed):
        read_record(caller=mixed_up, collection=acme.collection, record_id=acme.record)
    with as_region("eu-west-1"):
        where = [SearchCondition("email", "eq", "ann@x.org")]
        page = search_records(caller=mixed_up, collection=acme.collection, where=where, limit=5)
    assert page == RecordPage([], None)


def test_the_credential_alone_names_the_tenant() -> None:
    acme, globex = world().acme, world().globex
    assert get_caller(token_of(globex.tenant)).tenant_id == globex.id
    token = token_of(acme.tenant)
    caller = get_caller(token)
    assert (caller.tenant_id, caller.slug) == (acme.id, get_tenant(acme.caller.slug).slug)
    for forged in (
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        token.swapcase(),
        token + "0",
        "",
    ):
        with pytest.raises(CredentialInvalid):
            get_caller(forged)


def test_both_tenants_still_have_what_is_theirs(stack: Stack) -> None:
    for side in (world().acme, world().globex):
        with as_region(side.region):
            assert get_collection(side.caller, side.collection).name == side.collection
            record = read_record(
                caller=side.caller, collection=side.collection, record_id=side.record
            )
            assert record.fields == FIELDS


def test_the_world_has_a_row_of_each_tenant_in_every_table(stack: Stack) -> None:
    both: World = world()
    for side in (both.acme, both.globex):
        assert [table for table, rows in stored(stack, side).items() if not rows] == []
