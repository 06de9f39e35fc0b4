"""Claims: one worker at a time holds an operation, for the length of a lease; then anyone may take it over.

All times are the database's. Each claim counts `attempts` up, and every later write of the claimant compares it: a
worker that was paused beyond its lease finds that it has lost the claim, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from crypto.arn import KeyArn
from crypto.part import JsonValue
from tenants.models import KeyOperation, RegionalKey, RegionRule, TenantKey
from tenants.scope import tenant_scope
from tenants.selectors.keys import RuleView
from tenants.services.work import Work
from tenants.states import OperationKind, OperationState

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


def note(work: Work, **facts: JsonValue) -> None:
    """Write down what a later try must know, before a step that leaves no trace when it is killed.

    Raises `ClaimLost`, which also keeps a worker that was paused beyond its lease from taking that step.
    """
    with held(work) as plan:
        plan.own.result |= facts
        plan.own.save(update_fields=["result"])


def _work(tenant_id: UUID, operation_id: UUID) -> Work:
    own = KeyOperation.objects.select_related("tenant").get(tenant_id=tenant_id, id=operation_id)
    keys = RegionalKey.objects.filter(tenant_id=tenant_id).exclude(arn="")
    rules = RegionRule.objects.filter(tenant_id=tenant_id).order_by("region")
    done = KeyOperation.objects.filter(
        tenant_id=tenant_id, plan_id=own.plan_id, state=OperationState.DONE
    )
    return Work(
        tenant_id=tenant_id,
        operation_id=operation_id,
        plan_id=own.plan_id,
        attempt=own.attempts,
        failures=own.failures,
        kind=OperationKind(own.kind),
        region=own.region,
        tenant=own.tenant.context_id,
        slug=own.tenant.slug,
        primary_region=TenantKey.objects.get(tenant_id=tenant_id).primary_region,
        rules=tuple(
            RuleView(rule.region, rule.may_encrypt, tuple(rule.may_decrypt)) for rule in rules
        ),
        arns={key.region: KeyArn.parse(key.arn) for key in keys},
        arguments=own.arguments,
        found=own.result,
        earlier={OperationKind(row.kind): row.result for row in done.order_by("position", "id")},
    )
