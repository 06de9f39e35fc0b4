"""The Django app of the registry."""

from __future__ import annotations

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Tables and use cases live here and nowhere else."""

    name = "tenants"
