"""CPU time of the processes of a sandbox."""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.layout import Home
from sandbox.supervision import find_states

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(home: Home) -> dict[str, float]:
    """CPU seconds so far of each program with all its children, those of PostgreSQL that have ended included."""
    roots = {int(state["pid"]): name for name, state in find_states(home).items() if state["pid"]}
    parents, spent = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        pid = int(path.parent.name)
        parents[pid] = int(fields[1])
        spent[pid] = sum(map(int, fields[11:15])) / _TICKS
    found = dict.fromkeys(roots.values(), 0.0)
    for pid, seconds in spent.items():
        ancestor = pid
        while ancestor and ancestor not in roots:
            ancestor = parents.get(ancestor, 0)
        if ancestor:
            found[roots[ancestor]] += seconds
    return found
