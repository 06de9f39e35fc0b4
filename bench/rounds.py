"""Interleaved rounds: in each, every call gets one short slice of CPU time, in a new order.

A machine that others use slows all of a round alike, so ratios are taken within a round, and their median is quoted.
CPU time of the whole process is measured, not the time of day: waiting for a core is nobody's fault.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds of CPU time a call, one sample a round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Seconds."""
        return median(self.rounds)

    @property
    def best(self) -> float:
        """Seconds."""
        return min(self.rounds)

    def times_of(self, other: Samples) -> float:
        """How many times of `other` this takes: the median of the rounds' ratios."""
        return median(a / b for a, b in zip(self.rounds, other.rounds, strict=True))


def measure(
    calls: Mapping[Key, Callable[[], object]], *, rounds: int, slice_seconds: float
) -> dict[Key, Samples]:
    """Samples of each call. Garbage of earlier slices is collected between them, so nobody pays for another's."""
    repeats = {key: _repeats(call, slice_seconds) for key, call in calls.items()}
    samples: dict[Key, list[float]] = {key: [] for key in calls}
    order = list(calls)
    shuffle = random.Random(1).shuffle  # noqa: S311 - no secret
    gc.collect()
    gc.freeze()  # what is loaded by now is scanned no more, as in a server that forks its workers
    for _ in range(rounds):
        shuffle(order)
        for key in order:
            gc.collect()
            samples[key].append(_cpu_seconds(calls[key], repeats[key]) / repeats[key])
    gc.unfreeze()
    return {key: Samples(tuple(times)) for key, times in samples.items()}


def _repeats(call: Callable[[], object], slice_seconds: float) -> int:
    count = 1
    while True:
        spent = _cpu_seconds(call, count)
        if spent > slice_seconds / 4:
            return max(1, round(count * slice_seconds / spent))
        count *= 4


def _cpu_seconds(call: Callable[[], object], count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        call()
    return time.process_time() - started
