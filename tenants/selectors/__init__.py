"""Reads. Each opens its own scope and returns frozen dataclasses, so that nothing lazy leaves the scope."""

from __future__ import annotations

from .access import ApiKeyView, MemberView, check_operator, list_api_keys, list_members
from .audit import AuditEventView, list_audit_events
from .caller import Caller, get_caller
from .keys import (
    RegionalKeyView,
    RuleView,
    get_key_id,
    list_region_rules,
    list_regional_keys,
)
from .operations import (
    OperationView,
    PlanView,
    Progress,
    get_plan,
    get_progress,
    list_plans,
)
from .tenants import TenantSummary, TenantView, get_tenant, list_memberships, list_tenants

__all__ = [
    "ApiKeyView",
    "AuditEventView",
    "Caller",
    "MemberView",
    "OperationView",
    "PlanView",
    "Progress",
    "RegionalKeyView",
    "RuleView",
    "TenantSummary",
    "TenantView",
    "check_operator",
    "get_caller",
    "get_key_id",
    "get_plan",
    "get_progress",
    "get_tenant",
    "list_api_keys",
    "list_audit_events",
    "list_members",
    "list_memberships",
    "list_plans",
    "list_region_rules",
    "list_regional_keys",
    "list_tenants",
]
