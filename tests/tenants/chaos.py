"""Kills the worker at every point of a plan at which it can die, each time with a fresh tenant.

    killed_everywhere(start, check)

`start` makes a tenant, in whatever state the plan needs, and starts the plan; `check` asserts what must stand then.
The plan runs once whole, and every point that it passes is written down:

- before and after the answer of each call to AWS. After a read, the same is left behind as before it, so reads are
  killed before only;
- at the commit of each step: all of it is done and written, and the transaction is lost;
- at the commit of each part of a long step.

Then it runs once for each of these points, dies there, is taken over when its lease has run out, and is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from unittest.mock import patch

from botocore.httpsession import URLLib3Session

from tenants.selectors import TenantView, get_progress
from tenants.services import keys
from tenants.services.handlers import HANDLERS
from tenants.services.work import Continue, Handler, Result, Work
from tests.cast import let_time_pass, run_due
from tests.tenants.plans import Killed, handled_by

MOST_PASSES = 200
# What leaves nothing behind in AWS. Everything else changes something, also what nobody here has thought of.
READS = (
    *("Get", "Describe", "List", "Lookup"),
    *("Decrypt", "Encrypt", "GenerateDataKey", "ReEncrypt"),
)


class Moment(StrEnum):
    """When a worker dies."""

    BEFORE = "before"
    AFTER = "after"
    STEP = "at the commit of"
    PART = "at the commit of a part of"


class Point(NamedTuple):
    """One point of a plan: `name` is a call of AWS, or a step and its Region, `nth` counts them from 0."""

    moment: Moment
    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.moment} {self.name}, number {self.nth + 1}"

    @property
    def is_read(self) -> bool:
        """Whether it is a call that changes nothing."""
        return self.moment in (Moment.BEFORE, Moment.AFTER) and self.name.startswith(READS)

    @property
    def is_change(self) -> bool:
        """Whether it is a call that changes something."""
        return self.moment in (Moment.BEFORE, Moment.AFTER) and not self.is_read


@dataclass
class Watch:
    """Writes down the points that a worker passes, and lets it die at one of them."""

    dies_at: Point | None = None
    seen: list[Point] = field(default_factory=list)

    @property
    def died(self) -> bool:
        """Whether that point was reached."""
        return self.dies_at in self.seen

    def passes(self, moment: Moment, name: str) -> None:
        """The worker is at this point."""
        nth = sum((point.moment, point.name) == (moment, name) for point in self.seen)
        self.seen.append(Point(moment, name, nth))
        if self.seen[-1] == self.dies_at:
            raise Killed


@dataclass
class WatchedHandler:
    """A handler whose worker may die when all is done, before it is committed."""

    handler: Handler
    watch: Watch

    @property
    def settles(self) -> tuple[type[Exception], ...]:
        """As the handler says."""
        return self.handler.settles

    def perform(self, work: Work) -> Result:
        """Do it; a part of a long step is done when `Continue` is raised."""
        try:
            return self.handler.perform(work)
        except Continue:
            self.watch.passes(Moment.PART, f"{work.kind} of {work.region}")
            raise

    def record(self, work: Work, result: Result) -> None:
        """Write it down, in the transaction that is lost when the worker dies here."""
        self.handler.record(work, result)
        self.watch.passes(Moment.STEP, f"{work.kind} of {work.region}")


def killed_everywhere(
    start: Callable[[], TenantView],
    check: Callable[[TenantView], object],
    *,
    sample: int = 1,
    pass_time: Callable[[TenantView], object] = let_time_pass,
) -> list[Point]:
    """Run the plan that `start` starts, once whole and once for each point; which points that were.

    `sample` keeps a long plan fast: of the reads and of the commits only every so manieth is killed. A call that
    changes something is always killed, before and after. `pass_time` is called when nothing is due.

    A read need not come up again, since how often a key is looked at depends on the moment; all else must.
    """
    with no_waiting_for_the_tag_index():
        whole = _run(start(), Watch(), pass_time)
        points = [*_chosen(whole.seen, sample)]
        for point in points:
            try:
                _killed_at(point, start(), check, pass_time)
            except Exception as error:
                error.add_note(f"The worker was killed {point}.")
                raise
    return points


def _killed_at(
    point: Point,
    tenant: TenantView,
    check: Callable[[TenantView], object],
    pass_time: Callable[[TenantView], object],
) -> None:
    watch = _run(tenant, Watch(point), pass_time)
    assert watch.died or point.is_read or point.moment is Moment.PART, "This point never came."
    _run(tenant, Watch(), pass_time)  # the next worker takes over when the lease has run out
    check(tenant)


def _chosen(seen: list[Point], sample: int) -> Iterator[Point]:
    changes = [point for point in seen if point.is_change]
    reads = [point for point in seen if point.is_read and point.moment is Moment.BEFORE]
    commits = [point for point in seen if point.moment in (Moment.STEP, Moment.PART)]
    yield from changes
    yield from reads[::sample]
    yield from commits[::sample]


def _run(tenant: TenantView, watch: Watch, pass_time: Callable[[TenantView], object]) -> Watch:
    """Run the newest plan to its end, or to the death of its worker."""
    with suppress(Killed), _watched(watch):
        for _ in range(MOST_PASSES):
            progress = get_progress(tenant.id)
            if progress.is_finished:
                return watch
            assert not progress.failed, progress
            if not run_due(tenant):
                pass_time(tenant)
        raise AssertionError(f"The plan did not finish: {get_progress(tenant.id)}")
    return watch


@contextmanager
def _watched(watch: Watch) -> Iterator[None]:
    """Put the watch on the wire and on every handler."""
    send = URLLib3Session.send

    def watched(session: URLLib3Session, request: Any) -> Any:
        name = _name_of(request)
        watch.passes(Moment.BEFORE, name)
        answer = send(session, request)
        watch.passes(Moment.AFTER, name)
        return answer

    with ExitStack() as stack:
        stack.enter_context(patch.object(URLLib3Session, "send", watched))
        handlers = {kind: WatchedHandler(handler, watch) for kind, handler in HANDLERS.items()}
        stack.enter_context(handled_by(handlers))
        yield


def _name_of(request: Any) -> str:
    target = request.headers.get("X-Amz-Target", b"")
    name = target.decode() if isinstance(target, bytes) else str(target)
    # The protocol with CBOR has the operation in the path instead: /service/TrentService/operation/Decrypt
    return name.rpartition(".")[2] or str(request.url).rpartition("/")[2]


@contextmanager
def no_waiting_for_the_tag_index() -> Iterator[None]:
    """The tag index of the stand-in is never late, and the clock of this process does not jump as its own does."""
    with patch.object(keys, "_SETTLE", timedelta(0)):
        yield
