"""The Django app of the project itself: registers its system checks, configures the logs, forbids core dumps."""

from __future__ import annotations

import resource

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    """Faces and deployment settings."""

    name = "gateway"

    def ready(self) -> None:
        """Register the checks; from here on, log lines are JSON and no crash writes the memory to a disk."""
        from gateway import checks  # noqa: F401, PLC0415 - registers itself
        from gateway.console import sign_ins  # noqa: F401, PLC0415 - connects its receivers
        from gateway.logs import configure_logs  # noqa: PLC0415 - needs settings

        configure_logs()
        # It holds plaintext and data keys. Systems that pipe dumps to a program are told the same by this limit.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
