"""The report of `bench_envelope`: one Markdown page and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.contenders import OURS
from bench.kms_calls import KMS_SECONDS, RECORDS, THREADS, KmsCalls
from bench.memory import TENANTS
from bench.tables import Verdict, facts_table, table, verdict_table
from bench.targets import Times
from bench.workload import SHAPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that a run has found. Memory is in bytes; `absent` says why a contender did not run."""

    facts: Mapping[str, str]
    times: Times
    records: Mapping[str, KmsCalls]
    cold_starts: Mapping[str, KmsCalls]
    memory: Mapping[str, Mapping[str, int]]
    verdicts: list[Verdict]
    absent: Mapping[str, str] = field(default_factory=dict)


def to_markdown(run: Run) -> str:
    """The page."""
    parts = [
        "# Envelope",
        facts_table(run.facts),
        "## Promises",
        verdict_table(run.verdicts),
        *[f"Not run: {name}. {reason}" for name, reason in run.absent.items()],
        "## Time",
        "Microseconds of CPU, the median of the rounds; in brackets how many times as long as ours.",
        _times(run.times, "seal"),
        _times(run.times, "open"),
        "The best round.",
        _best(run.times),
        f"## KMS calls for {RECORDS:,} records",
        _calls(run.records),
        f"## KMS calls of {THREADS} threads in a cold process, {KMS_SECONDS * 1000:.0f} ms each",
        _calls(run.cold_starts),
        f"## Memory of {TENANTS:,} warm tenants",
        _memory(run.memory),
    ]
    return "\n\n".join(parts) + "\n"


def to_data(run: Run) -> dict[str, Any]:
    """What a program reads; seconds are CPU time."""
    times = [
        {
            "fields": shape.fields,
            "bytes": shape.size,
            "contender": name,
            "operation": operation,
            "median_seconds": samples.median,
            "best_seconds": samples.best,
            "times_ours": samples.times_of(run.times[shape, OURS, operation]),
            "rounds": len(samples.rounds),
        }
        for (shape, name, operation), samples in run.times.items()
    ]
    return {
        "facts": dict(run.facts),
        "promises": [verdict._asdict() for verdict in run.verdicts],
        "absent": dict(run.absent),
        "times": times,
        "kms_calls": {name: calls._asdict() for name, calls in run.records.items()},
        "cold_starts": {name: calls._asdict() for name, calls in run.cold_starts.items()},
        "memory": {name: dict(sizes) for name, sizes in run.memory.items()},
    }


def _times(times: Times, operation: str) -> str:
    names = _names(times)

    def cell(shape: Any, name: str) -> str:
        samples = times[shape, name, operation]
        ratio = samples.times_of(times[shape, OURS, operation])
        return _microseconds(samples.median) + ("" if name == OURS else f" ({ratio:.2f})")

    rows = [(str(shape), *[cell(shape, name) for name in names]) for shape in SHAPES]
    return table((operation, *names), rows)


def _best(times: Times) -> str:
    names = _names(times)
    rows = [
        (
            f"{operation} {shape}",
            *[_microseconds(times[shape, name, operation].best) for name in names],
        )
        for operation in ("seal", "open")
        for shape in SHAPES
    ]
    return table(("", *names), rows)


def _calls(calls: Mapping[str, KmsCalls]) -> str:
    rows = [(name, str(found.sealing), str(found.opening)) for name, found in calls.items()]
    return table(("", "to seal", "to open"), rows)


def _memory(memory: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        (
            name,
            f"{sizes['before'] / 1e6:.1f} MB",
            f"{sizes['after'] / 1e6:.1f} MB",
            f"{sizes['grown'] / sizes['tenants']:,.0f} B",
        )
        for name, sizes in memory.items()
    ]
    return table(("", "before", "with all", "a tenant"), rows)


def _names(times: Times) -> list[str]:
    return list(dict.fromkeys(name for _, name, _ in times))


def _microseconds(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
