"""Every table of the gateway. Columns, constraints and facts about one row; never a network call."""

from __future__ import annotations

from .accounts import ApiKey, Member, OperatorKey, User
from .audit import AuditEvent
from .data_keys import DataKey
from .failover import WriterCanary, WriterMove
from .fleet import CallBudget, OrphanKey, RegionStatus, WriterEpoch
from .keys import PreviousKey, RegionalKey, RegionRule, TenantKey
from .offboarding import Offboarding
from .operations import KeyOperation
from .records import BlindIndexEntry, Collection, Record, SealedPart
from .tenant import Tenant

__all__ = [
    "ApiKey",
    "AuditEvent",
    "BlindIndexEntry",
    "CallBudget",
    "Collection",
    "DataKey",
    "KeyOperation",
    "Member",
    "Offboarding",
    "OperatorKey",
    "OrphanKey",
    "PreviousKey",
    "Record",
    "RegionRule",
    "RegionStatus",
    "RegionalKey",
    "SealedPart",
    "Tenant",
    "TenantKey",
    "User",
    "WriterCanary",
    "WriterEpoch",
    "WriterMove",
]
