"""What the crypto core promises of its speed, and whether a run kept it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.contenders import ASHERAH, FERNET, OURS, SDK
from bench.kms_calls import THREADS, KmsCalls
from bench.rounds import Samples
from bench.tables import Verdict
from bench.workload import SIZES, Shape

Times = Mapping[tuple[Shape, str, str], Samples]  # by shape, contender and operation
MEMORY_LIMIT = 100_000_000  # bytes


def judge_times(times: Times) -> Iterator[Verdict]:
    """The promises about seal and open, at each size of a field."""
    for size in SIZES:
        five, ten = Shape(5, size), Shape(10, size)
        for operation in ("seal", "open"):
            yield _at_least(times, five, operation, SDK, 8.0)
            yield _at_most(times, five, operation, FERNET, 1.0)
            yield _at_most(times, five, operation, ASHERAH, 1.5)
            yield _at_most(times, ten, operation, ASHERAH, 1.0)


def judge_calls(after_start: KmsCalls, cold: KmsCalls) -> Iterator[Verdict]:
    """The promises about calls to KMS."""
    total = after_start.sealing + after_start.opening
    yield Verdict(
        "At most 1 KMS call per data key in a process after its start", str(total), total <= 1
    )
    yield Verdict(
        f"1 KMS call for {THREADS} threads in a cold process, to seal or to open",
        f"{cold.sealing}, {cold.opening}",
        cold == KmsCalls(1, 1),
    )


def judge_memory(resident: int) -> Verdict:
    """The promise about memory: all of the process counts, not only its cache."""
    promise = f"A process with 10,000 warm tenants under {MEMORY_LIMIT / 1e6:.0f} MB"
    return Verdict(promise, f"{resident / 1e6:.0f} MB", resident < MEMORY_LIMIT)


def _at_least(times: Times, shape: Shape, operation: str, peer: str, limit: float) -> Verdict:
    promise = f"{operation} {shape}: at least {limit} times as fast as {peer}"
    if (shape, peer, operation) not in times:
        return Verdict(promise, "not measured", None)
    ratio = times[shape, peer, operation].times_of(times[shape, OURS, operation])
    return Verdict(promise, f"{ratio:.1f}", ratio >= limit)


def _at_most(times: Times, shape: Shape, operation: str, peer: str, limit: float) -> Verdict:
    promise = f"{operation} {shape}: at most {limit} times the time of {peer}"
    if (shape, peer, operation) not in times:
        return Verdict(promise, "not measured", None)
    ratio = times[shape, OURS, operation].times_of(times[shape, peer, operation])
    return Verdict(promise, f"{ratio:.2f}", ratio <= limit)
