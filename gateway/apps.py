"""The Django app of the project itself: registers its system checks and configures the logs."""

from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """Faces and deployment settings."""

    name = "gateway"

    def ready(self) -> None:
        """Register the checks; from here on, log lines are JSON."""
        from gateway import checks  # noqa: F401, PLC0415 - registers itself
        from gateway.logs import configure_logs  # noqa: PLC0415 - needs settings

        configure_logs()
