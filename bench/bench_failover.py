"""A Region is lost under load and another takes over; then the writer moves on: `python -m bench.bench_failover`.

Each round kills the writer's Region (database, KMS, gateway, worker) while apps read and write in the two others, runs
`manage.py failover` after so many seconds, brings the Region back, and moves on with `manage.py switchover`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.environment import describe_environment
from bench.failover_load import Load, running
from bench.failover_stage import Stage, stage_of_its_own
from bench.tables import RESULTS, facts_table, table, write_results
from sandbox.layout import REGIONS

_LOAD_BEFORE = 200  # acknowledged writes
_OUTAGE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Round:
    """One move. Times are in seconds from the moment that the command was started."""

    kind: str
    source: str
    target: str
    first_write: float  # acknowledged to an app
    epoch_begun: float  # the command's own first write, from the order to RDS
    proven: float
    command: float
    pause: float  # the longest that no app's write was acknowledged
    reads: int
    failed_reads: int
    writes: int
    found_stored: int
    lost: int
    bound_seconds: float


def main() -> None:
    """Measure, print the page, and write it."""
    options = _parser().parse_args()
    rounds: list[Round] = []
    with stage_of_its_own() as stage:
        for _ in range(options.rounds):
            rounds.append(_fail_over(stage))
            print(rounds[-1], flush=True)
            rounds.append(_switch_over(stage))
            print(rounds[-1], flush=True)
    facts = describe_environment(("django", "psycopg", "granian"))
    page = "\n\n".join(("# Failover and switchover", facts_table(facts), _TEXT, _table(rounds)))
    print(page)
    data = {"facts": facts, "rounds": [asdict(each) for each in rounds]}
    write_results("failover", markdown=page + "\n", data=data, folder=options.out)


_TEXT = f"""\
All of it on one machine, which has no distance: what is measured is the product's part, and the sandbox's in the place
of Aurora's. In each Region 2 writers (1 in a switchover) and 2 readers over HTTP, who come back after `Retry-After`. In
a failover the Region is dead for {_OUTAGE_SECONDS:.0f} s before the command.

- *first write*: from the start of the command to the first write that an app is told is stored; *epoch*: from the order
  to RDS to the command's own first write; *pause*: the longest that no app was told so.
- *failed*: reads that got anything but the right record. *found stored*: writes whose answer was lost, and whose retry
  was told that the first had been stored. *lost*: acknowledged, and not there afterwards.
- *bound*: what the report says may be lost at most, in seconds before the order; the outage before it is in it."""


def _fail_over(stage: Stage) -> Round:
    source = stage.writer
    target, third = [region for region in REGIONS if region != source]
    with running(stage.urls(target, third), stage.token, stage.known) as load:
        stage.until(lambda: len(load.acknowledged) > _LOAD_BEFORE)
        stage.kill(source)
        time.sleep(_OUTAGE_SECONDS)
        began, report, ended = _move(stage, "failover", target, load)
    present = stage.stored(target)
    stage.bring_back(source)
    return _round(report, load, began, ended, present)


def _switch_over(stage: Stage) -> Round:
    target = next(region for region in REGIONS if region != stage.writer)
    with running(stage.urls(*REGIONS), stage.token, stage.known, writers=1) as load:
        stage.until(lambda: len(load.acknowledged) > _LOAD_BEFORE)
        began, report, ended = _move(stage, "switchover", target, load)
    return _round(report, load, began, ended, stage.stored(target))


def _move(stage: Stage, kind: str, target: str, load: Load) -> tuple[float, dict[str, Any], float]:
    began = time.time()
    report = stage.move(kind, target)
    ended = time.time()
    stage.until(lambda: any(at > ended + 2 for at in load.acknowledged.values()))
    return began, report, ended


def _round(
    report: dict[str, Any], load: Load, began: float, ended: float, present: set[str]
) -> Round:
    acknowledged = load.acknowledged
    pause_from, pause_to = load.gap(began)
    recovery = report["recovery_milliseconds"]
    return Round(
        kind=report["kind"],
        source=report["source"],
        target=report["target"],
        first_write=pause_to - began,
        epoch_begun=recovery["writes_accepted"] / 1000,
        proven=recovery["proven_everywhere"] / 1000,
        command=ended - began,
        pause=pause_to - pause_from,
        reads=load.reads[200],
        failed_reads=len(load.failed_reads),
        writes=len(acknowledged),
        found_stored=sum(writer.found_stored for writer in load.writers),
        lost=len(acknowledged.keys() - present),
        bound_seconds=(report["loss"]["lost_at_most_milliseconds"] or 0) / 1000,
    )


def _table(rounds: list[Round]) -> str:
    head = (
        *("move", "first write s", "epoch s", "proven s", "command s", "pause s"),
        *("reads", "failed", "writes", "found stored", "lost", "bound s"),
    )
    return table(head, (_row(each) for each in rounds))


def _row(each: Round) -> tuple[str, ...]:
    return (
        f"{each.kind} {each.source} to {each.target}",
        *(f"{value:.1f}" for value in (each.first_write, each.epoch_begun, each.proven)),
        *(f"{value:.1f}" for value in (each.command, each.pause)),
        *(f"{value:,}" for value in (each.reads, each.failed_reads, each.writes)),
        *(f"{value:,}" for value in (each.found_stored, each.lost)),
        f"{each.bound_seconds:.1f}",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.bench_failover", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="each a failover and a switchover")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    main()
