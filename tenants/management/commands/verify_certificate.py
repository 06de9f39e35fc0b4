"""manage.py verify_certificate acme-certificate.json --public-key signing-key.public.pem"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.services.signing import read_public_keys, verify

_LARGEST_BYTES = 64 * 1024 * 1024


class Command(BaseCommand):
    """Check a signed document against a public key. No database and no network is needed for it."""

    help = "Check the signature of a certificate or report. Exit codes: 0 genuine, 1 not, or it cannot be read."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """File and key."""
        parser.add_argument("file", type=Path, help="the signed document, as JSON")
        parser.add_argument(
            "--public-key",
            required=True,
            type=Path,
            help="PEM file with the public key, or several; from a source that you trust",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Read, check, and say what was signed."""
        try:
            signed = orjson.loads(_read(Path(options["file"])))
            keys = read_public_keys(_read(Path(options["public_key"])).decode("ascii", "replace"))
            document = verify(signed, keys)
        except orjson.JSONDecodeError as error:
            raise CommandError("signature_invalid: The file is not JSON.") from error
        except TenantError as error:
            raise terminal.refused(error) from error
        self.stdout.write(
            f"Genuine: {document['type']}, signed by key {signed['signature']['key_id']}."
        )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise CommandError(f"{path} is too large for a signed document.")
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
