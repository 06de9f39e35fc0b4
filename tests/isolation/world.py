"""Two tenants with a row in every table, and the database with all fences, or with the query's own filter alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connections

from sandbox.files import secret
from sandbox.postgres.roles import password_path
from tenants.models import Offboarding, PreviousKey, WriterCanary
from tenants.models.base import new_id
from tenants.scope import tenant_scope
from tenants.selectors import (
    Caller,
    get_progress,
    list_api_keys,
    list_audit_events,
)
from tenants.services.access import add_member
from tenants.services.collections import define_collection
from tenants.services.records import RecordInput, create_record
from tenants.services.values import Value, encrypt_values
from tenants.states import KeyTier, OffboardingState
from tests.callers import OPERATOR, PEOPLE, HasId, caller_of, shared_acme, shared_globex
from tests.cast import as_region
from tests.stack import Stack

FIELDS: dict[str, Any] = {"name": "Ann", "city": "Rome", "email": "ann@x.org", "card": "4111"}


@dataclass(frozen=True, slots=True)
class Side:
    """One tenant, its caller, and the names of what it has."""

    tenant: HasId
    caller: Caller
    region: str
    collection: str
    record: str
    value: Value
    api_key: UUID
    member: UUID
    operation: UUID
    plan: UUID
    event: UUID

    @property
    def id(self) -> UUID:
        """The tenant's id."""
        return self.tenant.id


@dataclass(frozen=True, slots=True)
class World:
    """Acme is whom Globex tries to reach."""

    acme: Side
    globex: Side


@lru_cache(maxsize=1)
def world() -> World:
    """Made once a process: that no test here changes anything of Acme's is what they prove."""
    return World(_side(shared_acme(), "us-east-2"), _side(shared_globex(), "eu-west-1"))


def _side(tenant: HasId, region: str) -> Side:
    with as_region(region):
        caller, mark = caller_of(tenant), secrets.token_hex(4)
        define_collection(caller=caller, name=f"people-{mark}", document=PEOPLE)
        record = RecordInput(f"ann-{mark}", FIELDS)
        create_record(caller=caller, collection=f"people-{mark}", record=record)
        value = _value_of(caller)
        _leave_traces(tenant.id, mark)
        member = add_member(
            tenant_id=tenant.id,
            email=f"{mark}@x.org",
            password=None,
            role="auditor",
            actor=OPERATOR,
        )
    return Side(
        tenant,
        caller,
        region,
        collection=f"people-{mark}",
        record=f"ann-{mark}",
        value=value,
        api_key=list_api_keys(tenant.id)[0].id,
        member=member.id,
        operation=get_progress(tenant.id).operations[0].id,
        plan=_plan_of(tenant.id),
        event=list_audit_events(tenant.id, before=None, limit=1)[0].id,
    )


def _value_of(caller: Caller) -> Value:
    [message] = encrypt_values(caller=caller, values=[Value(b"ann@x.org", "pii")])
    assert isinstance(message, bytes)
    return Value(message, "pii")


def _plan_of(tenant_id: UUID) -> UUID:
    plan_id = get_progress(tenant_id).plan_id
    assert plan_id
    return plan_id


def _leave_traces(tenant_id: UUID, mark: str) -> None:
    """Rows of what happens to few tenants: another key before, an end that was called off."""
    with tenant_scope(tenant_id, "write"):
        arn = f"arn:aws:kms:us-east-2:111122223333:key/mrk-{mark:0>32}"
        PreviousKey.objects.create(tenant_id=tenant_id, arn=arn, tier=KeyTier.POOLED)
        WriterCanary.objects.create(
            tenant_id=tenant_id,
            move=new_id(),
            region="us-east-2",
            classification="canary",
            message=b"a message",
            digest="",
        )
        Offboarding.objects.create(
            tenant_id=tenant_id,
            state=OffboardingState.CANCELLED,
            waiting_days=30,
            requested_by="operator:test",
        )


@contextmanager
def without_row_level_security(stack: Stack) -> Iterator[None]:
    """Let the gateway connect as the superuser, for whom no policy counts: what holds now is the query itself."""
    aliases: list[Any] = [connections["default"], connections["local"]]
    before = [(alias.settings_dict["USER"], alias.settings_dict["PASSWORD"]) for alias in aliases]
    superuser = ("postgres", secret(password_path(stack.home, "postgres")))
    try:
        for alias in aliases:
            _connect_as(alias, superuser)
            with alias.cursor() as cursor:  # the control: without any tenant, everybody's rows
                cursor.execute("select count(distinct tenant_id) > 1 from tenants_collection")
                assert cursor.fetchone() == (True,)
        yield
    finally:
        for alias, login in zip(aliases, before, strict=True):
            _connect_as(alias, login)


def _connect_as(alias: Any, login: tuple[str, str]) -> None:
    alias.close()
    alias.close_pool()
    alias.settings_dict["USER"], alias.settings_dict["PASSWORD"] = login
