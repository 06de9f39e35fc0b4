"""manage.py create_operator --email olga@example.com --password-file /run/secrets/olga"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.services.access import create_operator


class Command(BaseCommand):
    """Make an operator who signs in to the console, or give one this password."""

    help = "Make an operator account; the same again changes nothing. The password is read from a file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Address and password file."""
        parser.add_argument("--email", required=True)
        parser.add_argument("--password-file", required=True, type=Path)

    def handle(self, *_: Any, **options: Any) -> None:
        """Read the password and make the account."""
        try:
            password = Path(options["password_file"]).read_text().strip()
        except OSError as error:
            raise CommandError(f"The password file cannot be read: {error.strerror}") from error
        try:
            create_operator(email=options["email"], password=password)
        except TenantError as error:
            raise terminal.refused(error) from error
        self.stdout.write(f"{options['email']} is an operator.")
