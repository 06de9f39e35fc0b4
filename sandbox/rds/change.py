"""A switchover or failover under way: one at a time, in a thread, and finished by the next process if this one dies."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Lock, Thread

from sandbox.errors import SandboxError
from sandbox.files import write_file
from sandbox.layout import Home
from sandbox.locking import changing_databases
from sandbox.ports import Ports
from sandbox.postgres.failover import fail_over, running, settle, switch_over

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """From which Region to which, and whether what the old writer alone has may be lost."""

    source: str
    target: str
    loses_data: bool
    running: tuple[str, ...] = ()  # whose databases were running before

    @property
    def status(self) -> str:
        """The global cluster's status meanwhile."""
        return "failing-over" if self.loses_data else "switching-over"


class ChangeUnderWay(Exception):
    """Another one has not ended."""


class Changes:
    """The change of this sandbox's databases."""

    def __init__(self, home: Home, ports: Ports) -> None:
        """Nothing is under way here; `resume` looks for what an earlier process left."""
        self._home, self._ports = home, ports
        self._path = home.path / "database-change.json"
        self._lock = Lock()
        self._thread: Thread | None = None
        self.current: Change | None = None

    def begin(self, source: str, target: str, *, loses_data: bool) -> Change:
        """Start it and return at once; raises `ChangeUnderWay`."""
        change = Change(
            source=source,
            target=target,
            loses_data=loses_data,
            running=tuple(sorted(running(self._home))),
        )
        self._start(change, lambda: self._carry_out(change))
        return change

    def resume(self) -> None:
        """Finish what was cut short when an earlier process was killed."""
        if self._path.exists():
            found = json.loads(self._path.read_text())
            change = Change(**{**found, "running": tuple(found["running"])})
            self._start(change, lambda: settle(self._home, self._ports, change.running))

    def wait(self) -> None:
        """Return when nothing is under way."""
        if self._thread is not None:
            self._thread.join()

    def _start(self, change: Change, work: Callable[[], None]) -> None:
        with self._lock:
            if self.current is not None:
                raise ChangeUnderWay
            self.current = change
        write_file(self._path, json.dumps(asdict(change)))
        self._thread = Thread(target=self._run, args=(change, work), name="change")
        self._thread.start()

    def _carry_out(self, change: Change) -> None:
        move = fail_over if change.loses_data else switch_over
        move(self._home, self._ports, change.target)

    def _run(self, change: Change, work: Callable[[], None]) -> None:
        try:
            with changing_databases(self._home):
                work()
            logger.info("%s from %s to %s: done", change.status, change.source, change.target)
        except SandboxError as error:
            # The databases serve as the record of the writer says; the next `make up` mends what does not follow.
            logger.error("%s to %s: %s", change.status, change.target, error)
        except Exception:
            logger.exception("%s to %s failed", change.status, change.target)
        finally:
            self._path.unlink(missing_ok=True)
            self.current = None
