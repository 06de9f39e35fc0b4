"""The writer moves to another Region: planned (switchover) or because it is lost (failover), rehearsed or for good.

procedure (the steps) -> databases, fleet, keys (what speaks against it) | acting | proof | loss -> report
"""

from __future__ import annotations

from .journal import Finding, Severity, Step
from .moves import DEFAULT_SAMPLE, Kind, Move, Outcome, Wanted
from .procedure import assess, carry_out, is_admissible, refuse, rehearse
from .report import REPORT

__all__ = [
    "DEFAULT_SAMPLE",
    "REPORT",
    "Finding",
    "Kind",
    "Move",
    "Outcome",
    "Severity",
    "Step",
    "Wanted",
    "assess",
    "carry_out",
    "is_admissible",
    "refuse",
    "rehearse",
]
