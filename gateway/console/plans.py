"""How a plan stands, in one word, and how soon a page that shows it should ask again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from gateway.console.overview import Step, steps
from tenants.selectors import OperationView, PlanView, Progress
from tenants.states import PlanKind

# What is due later than this waits for a time, such as the end of KMS's waiting period, and not for a worker.
_SOON = timedelta(minutes=1)
_QUICK, _SLOW = "2s", "30s"

# These are ended by their own deeds, which leave the tenant in a state that somebody has thought about.
HAVE_THEIR_OWN_END = {
    PlanKind.REVOCATION: "A revocation is ended by restoring the tenant.",
    PlanKind.RESTORATION: "A restoration is ended by revoking the tenant again.",
    PlanKind.OFFBOARDING: "The end of a tenant is called off in the danger zone.",
}


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One plan as lists show it; `steps` is empty where it is finished."""

    plan: PlanView
    state: str
    steps: tuple[OperationView, ...]

    @property
    def faults(self) -> list[OperationView]:
        """The steps of which something must be said: an error of their last try."""
        return [one for one in self.steps if one.error and one.state != "done"]

    @property
    def counts(self) -> list[OperationView]:
        """The steps that work through rows, and have begun."""
        return [one for one in self.steps if one.total and one.state != "done"]


def plan_row(plan: PlanView, progress: Progress | None) -> PlanRow:
    """The row of a plan; `progress` has its steps."""
    operations = progress.operations if progress else ()
    return PlanRow(plan, state_of(progress or plan), operations)


def state_of(plan: PlanView | Progress) -> str:
    """The word for a plan."""
    if plan.failed:
        return "failed"
    if plan.is_finished:
        if isinstance(plan, Progress) and plan.is_rolled_back:
            return "rolled_back"
        return "cancelled" if plan.cancelled else "done"
    if plan.paused:
        return "paused"
    if isinstance(plan, Progress) and pace(plan.operations) != _QUICK:
        return "waiting"
    return "running"


def pace(operations: Iterable[OperationView]) -> str:
    """How soon to ask again: quickly while workers are at it, slowly while something waits, never ("") after that."""
    soon = timezone.now() + _SOON
    found = ""
    for one in operations:
        if one.state == "running" or (
            one.state == "due" and (one.next_attempt_at is None or one.next_attempt_at <= soon)
        ):
            return _QUICK
        if one.state == "due":
            found = _SLOW
    return found


def quickest(*paces: str) -> str:
    """The shorter of several paces."""
    return _QUICK if _QUICK in paces else _SLOW if _SLOW in paces else ""


def regions_of(progress: Progress) -> list[str]:
    """The Regions that a plan is about."""
    return sorted({one.region for one in progress.operations})


def grid(progress: Progress) -> list[Step]:
    """The plan as rows of steps, a cell for each of its Regions."""
    return steps(progress, regions_of(progress))
