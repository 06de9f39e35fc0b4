"""Seal and open, ours beside the others, in one run: `make bench`, or `python -m bench.bench_envelope --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.contenders import load_contenders
from bench.envelope_report import Run, to_data, to_markdown
from bench.environment import describe_environment
from bench.kms_calls import cold_start_of_ours, cold_start_of_sdk, count_ours, count_sdk
from bench.memory import measure_memory
from bench.rounds import Samples, measure
from bench.tables import RESULTS, write_results
from bench.targets import judge_calls, judge_memory, judge_times
from bench.workload import SHAPES, Contender, Shape, make_work

_PACKAGES = ("cryptography", "orjson", "aws-encryption-sdk", "tink", "asherah")
_SLICE_SECONDS = 0.006


def main() -> None:
    """Measure, print the page, and write it."""
    options = _parser().parse_args()
    contenders, absent = load_contenders()
    records = count_ours() | {"SDK with caching materials manager": count_sdk()}
    cold = {"ours": cold_start_of_ours(), "SDK": cold_start_of_sdk()}
    memory = {
        "ours, resident": measure_memory("ours"),
        "ours, allocated by Python": measure_memory("ours", trace=True),
        "SDK, resident": measure_memory("sdk"),
    }
    times = _times(contenders, options.rounds)
    after_start = list(records.values())[1]
    run = Run(
        facts=describe_environment(_PACKAGES),
        times=times,
        records=records,
        cold_starts=cold,
        memory=memory,
        verdicts=[
            *judge_times(times),
            *judge_calls(after_start, cold["ours"]),
            judge_memory(memory["ours, resident"]["after"]),
        ],
        absent=absent,
    )
    page = to_markdown(run)
    print(page)
    write_results("envelope", markdown=page, data=to_data(run), folder=options.out)


def _times(
    contenders: Mapping[str, Contender], rounds: int
) -> dict[tuple[Shape, str, str], Samples]:
    times: dict[tuple[Shape, str, str], Samples] = {}
    for shape in SHAPES:
        print(f"{shape} ...", file=sys.stderr)
        work = make_work(shape)
        calls: dict[tuple[Shape, str, str], Callable[[], object]] = {}
        for name, contender in contenders.items():
            pair = contender.prepare(work)
            calls[shape, name, "seal"], calls[shape, name, "open"] = pair.seal, pair.open
        times |= measure(calls, rounds=rounds, slice_seconds=_SLICE_SECONDS)
    return times


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="rounds for each shape")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    main()
