"""What the gateway needs before it serves: tables, static files, the first accounts. Run in a process of its own.

`python -m sandbox.gateway_setup EMAIL PASSWORD_FILE OPERATOR_KEY_FILE`, in the environment of `manage.py`.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def main(email: str, password_file: str, operator_key_file: str) -> None:
    """Run the management commands, each of which does nothing the second time."""
    django.setup()
    call_command("migrate", database="migrator", interactive=False, verbosity=0)
    _collect_static_files()
    call_command("create_operator", email=email, password_file=password_file)
    call_command("issue_operator_key", name="sandbox", out=operator_key_file)


def _collect_static_files() -> None:
    # Hashing and compressing takes seconds, so it is done again only when a source file has changed.
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    sources = _fingerprint()
    if not stamp.exists() or stamp.read_text() != sources:
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(sources)


def _fingerprint() -> str:
    found = [
        f"{path} {Path(storage.path(path)).stat().st_mtime_ns}"
        for finder in get_finders()
        for path, storage in finder.list([])
    ]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


if __name__ == "__main__":
    main(*sys.argv[1:])
