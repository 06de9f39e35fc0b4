"""Every table of the gateway. Columns, constraints and facts about one row; never a network call."""

from __future__ import annotations

from .accounts import ApiKey, Member, OperatorKey, User
from .audit import AuditEvent
from .data_keys import DataKey
from .keys import RegionalKey, RegionRule, TenantKey
from .operations import KeyOperation
from .records import BlindIndexEntry, Collection, Record, SealedPart
from .tenant import Tenant

__all__ = [
    "ApiKey",
    "AuditEvent",
    "BlindIndexEntry",
    "Collection",
    "DataKey",
    "KeyOperation",
    "Member",
    "OperatorKey",
    "Record",
    "RegionRule",
    "RegionalKey",
    "SealedPart",
    "Tenant",
    "TenantKey",
    "User",
]
