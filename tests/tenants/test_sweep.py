"""The sweep: finds again, in the table alone, what a lost message or a killed worker has left, and what comes due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import F

from tenants.models import KeyOperation
from tenants.scope import fleet_scope, tenant_scope
from tenants.selectors import TenantView
from tenants.services import operations
from tenants.services.claims import claim
from tenants.services.operations import sweep_operations, waiting_in
from tenants.services.work import NotYet
from tenants.states import OperationKind
from tests.cast import Cast, let_time_pass
from tests.tenants.plans import Fake, handled_by, raising, run, step

CREATE = OperationKind.CREATE_PRIMARY_KEY


@pytest.fixture
def initech(cast: Cast) -> TenantView:
    return cast.initech()


def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What would be sent to workers from now on."""
    found: list[object] = []
    monkeypatch.setattr(
        operations, "enqueue_operation", lambda **sent: found.append(sent["operation_id"])
    )
    return found


def test_the_sweep_sends_what_is_due_or_left_behind_in_its_region(
    initech: TenantView, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = cast.initech()
    claim(tenant_id=left.id, operation_id=step(left, CREATE).id)
    let_time_pass(left)
    waiting = cast.initech()
    with handled_by({CREATE: Fake(does=raising(NotYet(100)))}):
        run(waiting, step(waiting, CREATE))
    monkeypatch.setattr(operations, "SWEEP_BATCH", 1_000)
    found = sent(monkeypatch)
    assert sweep_operations(region="us-east-2") == len(found)
    assert {step(initech, CREATE).id, step(left, CREATE).id} <= set(found)
    assert step(waiting, CREATE).id not in found
    found.clear()
    sweep_operations(region="eu-west-1")
    assert not {step(initech, CREATE).id, step(left, CREATE).id} & set(found)


def test_the_sweep_sends_ahead_what_comes_due_before_the_next(
    initech: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = step(initech, CREATE)
    found: dict[object, float] = {}

    def note(**sent: Any) -> None:
        found[sent["operation_id"]] = sent["due_in"]

    monkeypatch.setattr(operations, "enqueue_operation", note)
    make_older(initech)
    sweep_operations(region="us-east-2")
    assert found[first.id] < 0
    with handled_by({CREATE: Fake(does=raising(NotYet(2)))}):
        run(initech, first)
    monkeypatch.setattr(operations, "SWEEP_BATCH", 1_000)
    sweep_operations(region="us-east-2")
    assert 0.5 < found[first.id] <= 2


def test_a_sweep_is_bounded_and_takes_the_oldest_first(
    initech: TenantView, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_older(initech)
    monkeypatch.setattr(operations, "SWEEP_BATCH", 1)
    found = sent(monkeypatch)
    assert sweep_operations(region="us-east-2") == 1
    assert found == [step(initech, CREATE).id]


def make_older(tenant: TenantView) -> None:
    with tenant_scope(tenant.id, "write"):
        mine = KeyOperation.objects.filter(tenant_id=tenant.id)
        mine.update(next_attempt_at=F("next_attempt_at") - timedelta(days=365))


def test_the_sweep_reads_the_partial_index() -> None:
    """With many rows that are done, a scan of the table every 3 seconds would not do."""
    with fleet_scope("latest"), connections["default"].cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        cursor.execute("set local enable_bitmapscan = off")
        plan = waiting_in("us-east-2").explain()
    assert "key_operation_due" in plan
    assert "Sort" not in plan
