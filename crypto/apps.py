"""The Django app of the crypto core: it has no tables, only system checks."""

from __future__ import annotations

from django.apps import AppConfig


class CryptoConfig(AppConfig):
    """Registers the checks of `crypto.checks`."""

    name = "crypto"

    def ready(self) -> None:
        from crypto import checks  # noqa: F401, PLC0415 - registers itself
