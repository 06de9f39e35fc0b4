"""One process of `bench_reencryption`: fills, writes, or reads everything, as requests of a tenant app would.

Each record belongs to one filler or writer, by its number. What was acknowledged is written to a file of its own, one
line a write, after the answer: the last line of a record is what everybody must read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tenants.selectors import get_caller
from tenants.services.records import (
    RecordFault,
    RecordInput,
    RecordView,
    create_record,
    create_records,
    delete_record,
    read_records,
    update_record,
)

_BATCH = 500
_FIRST = 1_000


@dataclass(frozen=True)
class Load:
    """What one process has to do."""

    token: str
    collection: str
    folder: Path
    number: int
    writers: int
    records: int

    def begin(self) -> int:
        """Create the first thousand; how many."""
        return self._create("begin", range(min(_FIRST, self.records)))

    def fill(self) -> int:
        """Create the other records of this process; how many."""
        return self._create("fill", range(_FIRST + self.number, self.records, self.writers))

    def _create(self, name: str, mine: range) -> int:
        with self._log(name) as log:
            for start in range(0, len(mine), _BATCH):
                numbers = mine[start : start + _BATCH]
                inputs = [RecordInput(f"r{one}", fields(f"first {one}")) for one in numbers]
                made = create_records(
                    caller=self._caller(), collection=self.collection, records=inputs
                )
                for given, answer in zip(inputs, made, strict=True):
                    if isinstance(answer, RecordFault):
                        raise answer.error
                    _note(log, given.id or "", given.fields["card"])
        return len(mine)

    def write(self) -> int:
        """Change, delete and create records until told to stop; how many writes were acknowledged."""
        random = Random(self.number)  # noqa: S311 - no secret
        alive = [f"r{one}" for one in range(self.number, self.records, self.writers)]
        count = 0
        with self._log("write") as log:
            while not (self.folder / "stop").exists():
                count += 1
                self._write_one(log, random, alive, f"{self.number}-{count}")
        return count

    def read(self) -> dict[str, int]:
        """Read all that was ever acknowledged, and count what is not as it was: lost, wrong, or still there."""
        truth = self._truth()
        lost = wrong = undead = 0
        names = sorted(truth)
        for start in range(0, len(names), _BATCH):
            ids = names[start : start + _BATCH]
            found = read_records(caller=self._caller(), collection=self.collection, record_ids=ids)
            for name, answer in zip(ids, found, strict=True):
                card = answer.fields.get("card") if isinstance(answer, RecordView) else None
                lost += truth[name] is not None and card is None
                undead += truth[name] is None and card is not None
                wrong += None not in (truth[name], card) and not _is_as_written(answer, truth[name])
        return {"expected": len(names), "lost": lost, "wrong": wrong, "undead": undead}

    def _write_one(self, log: Any, random: Random, alive: list[str], mark: str) -> None:
        caller, card = self._caller(), f"later {mark}"
        place = {"caller": caller, "collection": self.collection}
        chance = random.random()
        if chance < 0.2:
            create_record(**place, record=RecordInput(f"w{mark}", fields(card)))
            alive.append(f"w{mark}")
            _note(log, f"w{mark}", card)
        elif chance < 0.9:
            name = random.choice(alive)
            update_record(**place, record_id=name, fields=fields(card))
            _note(log, name, card)
        else:
            name = alive.pop(random.randrange(len(alive)))
            delete_record(**place, record_id=name)
            _note(log, name, None)

    def _caller(self) -> Any:
        """Read with each request, as the API does: this is how a rotation reaches a writer."""
        return get_caller(self.token)

    def _log(self, name: str) -> Any:
        return (self.folder / f"{name}-{self.number}.jsonl").open("w")

    def _truth(self) -> dict[str, str | None]:
        truth: dict[str, str | None] = {}
        for kind in ("begin", "fill", "write"):
            for path in sorted(self.folder.glob(f"{kind}-*.jsonl")):
                truth |= dict(_lines(path))
        return truth


def fields(card: str) -> dict[str, Any]:
    """Two sealed parts, one searchable field."""
    return {"name": "Ann", "city": "Rome", "ssn": f"ssn {card}", "card": card}


def _is_as_written(answer: Any, card: str | None) -> bool:
    return bool(answer.fields["card"] == card and answer.fields["ssn"] == f"ssn {card}")


def _note(log: Any, name: str, card: Any) -> None:
    log.write(json.dumps([name, card]) + "\n")


def _lines(path: Path) -> Iterator[tuple[str, str | None]]:
    with path.open() as lines:
        for line in lines:
            name, card = json.loads(line)
            yield name, card


def main() -> None:
    """`role token collection folder number writers records`; the answer goes to standard output."""
    role, token, collection, folder, *numbers = sys.argv[1:]
    load = Load(token, collection, Path(folder), *map(int, numbers))
    sys.stdout.write(json.dumps(getattr(load, role)()))
