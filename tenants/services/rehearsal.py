"""Rehearsals: what a service would plan, found by the service itself, with nothing written.

    rehearse(lambda: start_promotion(tenant_id=..., region="us-west-1", actor=actor))

The service checks, locks and writes as ever, until it comes to write its plan: there the transaction is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenants.services.plans import Step
    from tenants.states import PlanKind

rehearsing: ContextVar[bool] = ContextVar("rehearsing", default=False)


class Rehearsed(Exception):
    """The plan that would have been written."""

    def __init__(self, plan: PlanKind, steps: Sequence[Step]) -> None:
        super().__init__("A rehearsal ends here.")
        self.plan = plan
        self.steps = sorted(steps, key=lambda step: step.position)


def rehearse(start: Callable[[], object]) -> Rehearsed | None:
    """The plan that `start` would write; None where it finds nothing to do, or a plan that is under way.

    Raises whatever `start` raises.
    """
    token = rehearsing.set(True)
    try:
        start()
    except Rehearsed as found:
        return found
    finally:
        rehearsing.reset(token)
    return None
