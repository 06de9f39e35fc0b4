"""Deny by default: a view that does not say who may use it serves nobody."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.actor import Actor
from tenants.selectors import Caller


class DenyAll(BasePermission):
    """The default of all views."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Never."""
        return False


class IsTenantApp(BasePermission):
    """The credential is a tenant's API key."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether authentication found a tenant."""
        return isinstance(request.user, Caller)


class IsOperator(BasePermission):
    """The credential is an operator key."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether authentication found an operator."""
        return isinstance(request.user, Actor)
