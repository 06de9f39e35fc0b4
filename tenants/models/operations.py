"""KeyOperation: one small step of key work. The set of rows with one `plan_id` is a plan."""

from __future__ import annotations

from django.db import models

from tenants.models.base import TenantRow
from tenants.states import OperationKind, OperationState, PlanKind


class KeyOperation(TenantRow):
    """Equal positions run in parallel; the next position starts when all before are done.

    `region` is the Region that the step is about, `run_region` the Region whose worker runs it: only a process in a
    Region can prove what that Region's own role may do. `next_attempt_at` is when a worker may claim it: when it is
    due, and once claimed, when the lease runs out. `attempts` counts claims and fences off a worker that lost its
    lease; `failures` counts failed tries in a row. `arguments` are those of the step; `result` is what it found or
    noted, with `done` and `total` where it works through many rows. `error` is a code and a sentence. None of them
    ever holds a value of a sealed field or a key."""

    plan_id = models.UUIDField()
    plan = models.CharField(max_length=16, choices=PlanKind.choices)
    kind = models.CharField(max_length=24, choices=OperationKind.choices)
    region = models.CharField(max_length=32)
    run_region = models.CharField(max_length=32)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(
        max_length=10, choices=OperationState.choices, default=OperationState.PLANNED
    )
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    arguments = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    error = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            TenantRow.own_id("key_operation_own_id"),
            models.UniqueConstraint(
                fields=["tenant", "plan_id", "position", "kind", "region"],
                name="key_operation_once",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=OperationState.values),
                name="key_operation_state_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["run_region", "next_attempt_at"],
                condition=models.Q(state__in=[OperationState.DUE, OperationState.RUNNING]),
                name="key_operation_due",
            ),
            # What operators look at, of all tenants: it stays small, however much was done before.
            models.Index(
                fields=["state"],
                condition=models.Q(
                    state__in=[
                        OperationState.FAILED,
                        OperationState.RUNNING,
                        OperationState.DUE,
                        OperationState.PAUSED,
                    ]
                ),
                name="key_operation_unfinished",
            ),
        ]
