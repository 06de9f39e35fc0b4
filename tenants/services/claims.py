"""Claims: one worker at a time holds an operation, for the length of a lease; then anyone may take it over.

All times are the database's. Each claim counts `attempts` up, and every later write of the claimant compares it: a
worker that was paused beyond its lease finds that it has lost the claim, and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Now

from crypto.arn import KeyArn
from crypto.part import JsonValue
from tenants.jobs import SWEEP_AHEAD_SECONDS, enqueue_operation
from tenants.models import (
    KeyOperation,
    PreviousKey,
    RegionalKey,
    RegionRule,
    TenantKey,
)
from tenants.scope import tenant_scope
from tenants.selectors.keys import RuleView
from tenants.services.new_key import about_its_key
from tenants.services.work import SLOTS, Result, Work
from tenants.states import KeyTier, OperationKind, OperationState, TenantKind

CLAIMABLE = (OperationState.DUE, OperationState.RUNNING)


class ClaimLost(Exception):
    """Another worker holds this operation now, or it is finished."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All rows of a plan, locked, and the one that is being worked on."""

    rows: list[KeyOperation]
    own: KeyOperation


def claim(*, tenant_id: UUID, operation_id: UUID) -> Work | None:
    """Take the operation, if it is due here or its lease has run out; None when there is nothing to do."""
    with tenant_scope(tenant_id, "write"):
        claimed = KeyOperation.objects.filter(
            tenant_id=tenant_id,
            id=operation_id,
            run_region=settings.GATEWAY_REGION,
            state__in=CLAIMABLE,
            next_attempt_at__lte=Now(),
        ).update(
            state=OperationState.RUNNING,
            attempts=F("attempts") + 1,
            next_attempt_at=Now() + timedelta(seconds=settings.GATEWAY_OPERATION_LEASE_SECONDS),
            started_at=Coalesce("started_at", Now()),
        )
        return _work(tenant_id, operation_id) if claimed else None


@contextmanager
def held(work: Work) -> Iterator[Plan]:
    """A write scope in which the plan is locked and the claim holds; raises `ClaimLost` otherwise."""
    with tenant_scope(work.tenant_id, "write"):
        # The whole plan, always in the same order: of two steps that finish at the same moment, the second waits
        # here and then sees the first one done.
        plan = KeyOperation.objects.filter(tenant_id=work.tenant_id, plan_id=work.plan_id)
        rows = list(plan.order_by("id").select_for_update())
        own = next(row for row in rows if row.id == work.operation_id)
        if own.state != OperationState.RUNNING or own.attempts != work.attempt:
            raise ClaimLost
        yield Plan(rows, own)


def put_back(work: Work, seconds: float, facts: Result, **fields: object) -> None:
    """Let anyone claim it after so many seconds; `facts` go into the result. Raises `ClaimLost`.

    Of its plan nothing changes, so nothing of it is locked or read. Slots are for the next try alone: after that, a
    call may have used them.
    """
    with tenant_scope(work.tenant_id, "write"):
        own = KeyOperation.objects.filter(
            tenant_id=work.tenant_id,
            id=work.operation_id,
            state=OperationState.RUNNING,
            attempts=work.attempt,
        ).update(
            state=OperationState.DUE,
            next_attempt_at=Now() + timedelta(seconds=seconds),
            result=RawSQL("(result - %s) || %s::jsonb", [SLOTS, json.dumps(facts)]),
            **fields,
        )
        if not own:
            raise ClaimLost
        if seconds <= SWEEP_AHEAD_SECONDS:
            enqueue_operation(
                tenant_id=work.tenant_id,
                operation_id=work.operation_id,
                run_region=settings.GATEWAY_REGION,
                due_in=seconds,
            )


def note(work: Work, **facts: JsonValue) -> None:
    """Write down what a later try must know, before a step that leaves no trace when it is killed.

    Raises `ClaimLost`, which also keeps a worker that was paused beyond its lease from taking that step.
    """
    with held(work) as plan:
        plan.own.result |= facts
        plan.own.save(update_fields=["result"])


def _work(tenant_id: UUID, operation_id: UUID) -> Work:
    """All of it in as few queries as may be: every step of every plan begins with them."""
    mine = KeyOperation.objects.filter(tenant_id=tenant_id)
    plan = mine.filter(plan_id=Subquery(mine.filter(id=operation_id).values("plan_id")))
    rows = list(plan.order_by("position", "id"))
    own = next(row for row in rows if row.id == operation_id)
    key = TenantKey.objects.select_related("tenant").get(tenant_id=tenant_id)
    previous = PreviousKey.objects.filter(tenant_id=tenant_id).order_by("-replaced_at")
    keys = list(RegionalKey.objects.filter(tenant_id=tenant_id).exclude(arn=""))
    rules = RegionRule.objects.filter(tenant_id=tenant_id).order_by("region")
    work = Work(
        tenant_id=tenant_id,
        operation_id=operation_id,
        plan_id=own.plan_id,
        attempt=own.attempts,
        failures=own.failures,
        kind=OperationKind(own.kind),
        region=own.region,
        tenant=key.tenant.context_id,
        slug=key.tenant.slug,
        primary_region=key.primary_region,
        rules=tuple(
            RuleView(rule.region, rule.may_encrypt, tuple(rule.may_decrypt)) for rule in rules
        ),
        arns={regional.region: KeyArn.parse(regional.arn) for regional in keys},
        tenant_kind=TenantKind(key.tenant.kind),
        tier=KeyTier(key.tier),
        pool_id=key.pool_id,
        previous=tuple(KeyArn.parse(one.arn) for one in previous),
        desired={regional.region: regional.desired_fingerprint for regional in keys},
        arguments=own.arguments,
        found=own.result,
        earlier={
            OperationKind(row.kind): row.result for row in rows if row.state == OperationState.DONE
        },
    )
    return about_its_key(work)
