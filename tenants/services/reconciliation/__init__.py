"""Reconciliation: what AWS holds of a tenant's key in one Region, compared with what it should hold, and put right.

    expected (our tables)  +  truth (KMS, Parameter Store)  ->  drift  ->  RegionalKey.drift, an audit event, a repair

A comparison changes nothing. A repair is a plan of its own: on request, or by itself where a deployment lets it.
"""

from __future__ import annotations

from .batches import reconcile
from .checks import CHECKS, check_key
from .drift import Drift, Severity
from .expected import Expected
from .repair import RepairKey, start_repair

__all__ = [
    "CHECKS",
    "Drift",
    "Expected",
    "RepairKey",
    "Severity",
    "check_key",
    "reconcile",
    "start_repair",
]
