"""The run of `bench_reencryption`, once its data plane is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command

from bench.environment import describe_environment
from bench.tables import Verdict, facts_table, table, verdict_table, write_results
from tenants.selectors import TenantView, get_progress, list_audit_events
from tenants.selectors.key_usage import KeyUsage, list_key_usage, parts_left
from tenants.services.rotation import rotate_key
from tests.callers import caller_of, people, token_of
from tests.cast import OPERATOR, Cast, as_region, run_due
from tests.stack import Stack

HOME, AWAY = "us-east-2", "eu-west-1"
_PACKAGES = ("Django", "psycopg", "cryptography", "boto3")
_LOAD = "import django; django.setup(); import bench.reencryption_load as load; load.main()"


@dataclass(frozen=True)
class Moved:
    """What the worker did: sealed parts, seconds of the day and of its processor."""

    parts: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Read:
    """What a Region read in the end."""

    region: str
    expected: int
    lost: int
    wrong: int
    undead: int
    seconds: float

    @property
    def is_sound(self) -> bool:
        """Whether everything was as it must be."""
        return not (self.lost or self.wrong or self.undead)


def main() -> None:
    """`records writers folder`: migrate, fill, write, rotate, re-encrypt, read all, and write the page."""
    records, writers, out = sys.argv[1:]
    call_command("migrate", database="migrator", verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        run = _Run(Path(folder), int(records), int(writers))
        run.fill()
        with run.writing():
            moved = run.reencrypt()
        reads = [run.read(region) for region in (HOME, AWAY)]
        _report(run, moved, reads, Path(out))
    if run.left() or not all(read.is_sound for read in reads):
        sys.exit(1)


class _Run:
    """One tenant, its records, and the processes that work on them."""

    def __init__(self, folder: Path, records: int, writers: int) -> None:
        self.tenant: TenantView = Cast().acme()
        with as_region(HOME):
            self._collection = people(caller_of(self.tenant))
        self._token = token_of(self.tenant)
        self._stack, self._folder = Stack.inherited(), folder
        self.records, self.writers = records, writers
        self.acknowledged: list[int] = []
        self.fill_seconds = 0.0

    def fill(self) -> None:
        """Create all records, half of them by each of two processes."""
        began = time.monotonic()
        # A thousand first, and statistics of them: PostgreSQL keeps its plan for the checks of foreign keys as long as
        # a session lasts, and one that was made for an empty table reads all of a table that is filled within seconds.
        _wait(self._start("begin", HOME, 0))
        with self._stack.connect() as connection:
            connection.execute("analyze")
        for filler in [self._start("fill", HOME, each) for each in range(self.writers)]:
            _wait(filler)
        self.fill_seconds = time.monotonic() - began
        print(f"{self.records:,} records in {self.fill_seconds:.0f} s")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Writers at work, each on records of its own."""
        stop = self._folder / "stop"
        writers = [self._start("write", HOME, each) for each in range(self.writers)]
        time.sleep(2)  # a few writes before the rotation too
        try:
            yield
            time.sleep(2)
        finally:
            stop.touch()
            self.acknowledged = [int(_wait(writer)) for writer in writers]
        print(f"{sum(self.acknowledged):,} writes acknowledged")

    def reencrypt(self) -> Moved:
        """Rotate the key and run the plan as a worker of the home Region would."""
        rotate_key(tenant_id=self.tenant.id, actor=OPERATOR, reencrypt=True)
        shown = 0.0
        with as_region(HOME):
            began = time.process_time()
            while not (plan := get_progress(self.tenant.id)).is_finished:
                if plan.failed:
                    raise RuntimeError(plan)
                if not run_due(self.tenant):
                    time.sleep(0.2)
                if time.monotonic() - shown > 5:
                    shown = time.monotonic()
                    print(*(f"{s.kind}: {s.done} of {s.total}" for s in plan.operations if s.total))
            spent = time.process_time() - began
        step = next(each for each in plan.operations if each.kind == "reencrypt_records")
        if not step.started_at or not step.finished_at:
            raise RuntimeError(step)
        return Moved(self._moved(), (step.finished_at - step.started_at).total_seconds(), spent)

    def read(self, region: str) -> Read:
        """Read everything there, in a process of that Region."""
        began = time.monotonic()
        found = json.loads(_wait(self._start("read", region, 0)))
        read = Read(region=region, seconds=time.monotonic() - began, **found)
        print(read)
        return read

    def _moved(self) -> int:
        """How many parts the worker has moved; the others were changed or deleted by the writers before it came."""
        events = list_audit_events(self.tenant.id, before=None, limit=50)
        return next(int(e.detail["parts"]) for e in events if e.action == "records.reencrypted")

    def usage(self) -> list[KeyUsage]:
        """What is sealed under which key material."""
        return [each for each in list_key_usage(self.tenant.id) if each.purpose == "record"]

    def left(self) -> int:
        """Sealed parts that are not under the current key material."""
        return parts_left(self.usage())

    def _start(self, role: str, region: str, number: int) -> subprocess.Popen[str]:
        arguments = [role, self._token, self._collection, str(self._folder), str(number)]
        counts = [str(self.writers), str(self.records)]
        environment = {**self._stack.env("worker", region), "PATH": os.environ["PATH"]}
        return subprocess.Popen(
            [sys.executable, "-c", _LOAD, *arguments, *counts],
            env={**environment, "GATEWAY_LOG_LEVEL": "WARNING"},
            stdout=subprocess.PIPE,
            text=True,
        )


def _wait(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=3600)
    if process.returncode:
        raise RuntimeError(f"A process ended with {process.returncode}.")
    return out


def _report(run: _Run, moved: Moved, reads: list[Read], out: Path) -> None:
    usage = run.usage()
    facts = describe_environment(_PACKAGES)
    page = "\n\n".join(
        (
            "# Re-encryption under concurrent writes",
            facts_table(facts),
            f"A tenant with {run.records:,} records of two sealed parts each. While {run.writers} processes"
            " created, changed and deleted records through the services of the API, the tenant's key was rotated and"
            " every sealed part re-encrypted. Then each record was read in two Regions and compared with what was last"
            " acknowledged to its writer. All processes and databases shared the cores.",
            table(("", "found"), _measured(run, moved).items()),
            table(("key material", "state", "data keys", "sealed parts"), map(_material, usage)),
            verdict_table(_verdicts(run, reads)),
        )
    )
    print(page)
    data = {
        "facts": facts,
        "records": run.records,
        "moved": vars(moved),
        "reads": [vars(read) for read in reads],
        "acknowledged": run.acknowledged,
    }
    write_results("reencryption", markdown=page + "\n", data=data, folder=out)


def _measured(run: _Run, moved: Moved) -> Mapping[str, str]:
    return {
        "sealed parts re-encrypted": f"{moved.parts:,}",
        "seconds, with the wait for late writes": f"{moved.seconds:.1f}",
        "parts a second": f"{moved.parts / moved.seconds:,.0f}",
        "CPU of the worker a part": f"{moved.cpu_seconds / max(1, moved.parts) * 1e6:,.0f} us",
        "writes acknowledged meanwhile": f"{sum(run.acknowledged):,}",
    }


def _material(each: KeyUsage) -> tuple[str, str, str, str]:
    state = "current" if each.is_current else "old"
    return each.key_material_id[:12], state, f"{each.data_keys:,}", f"{each.parts:,}"


def _verdicts(run: _Run, reads: list[Read]) -> Iterator[Verdict]:
    left = run.left()
    yield Verdict("nothing is left under old key material", f"{left} parts", left == 0)
    for read in reads:
        found = f"{read.lost} lost, {read.wrong} wrong, {read.undead} undead of {read.expected:,}"
        yield Verdict(f"every record reads in {read.region} as acknowledged", found, read.is_sound)
