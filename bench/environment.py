"""What a run ran on: enough to judge its numbers, and nothing that names the machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from cryptography.hazmat.backends.openssl.backend import backend


def describe_environment(packages: tuple[str, ...]) -> dict[str, str]:
    """Date, Python, OpenSSL, processor, and the versions of these packages."""
    facts = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "openssl": backend.openssl_version_text(),
        "processor": f"{os.cpu_count()} cores, {platform.machine()}",
    }
    return facts | {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
