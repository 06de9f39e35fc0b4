"""The Django app of the registry."""

from __future__ import annotations

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Tables and use cases live here and nowhere else."""

    name = "tenants"

    def ready(self) -> None:
        """Mask encrypted fields where other apps would show them: the checks of the admin, and REST framework."""
        from tenants.fields import admin, rest  # noqa: PLC0415 - models, which need the apps to be loaded

        admin.register_check()
        rest.install()
