"""manage.py issue_operator_key --name deploys --out operator-key"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.errors import CredentialInvalid, TenantError
from tenants.management import terminal
from tenants.selectors import check_operator
from tenants.services.access import issue_operator_key


class Command(BaseCommand):
    """Issue a credential of the SaaS company's automation into a file that only its owner reads."""

    help = "Issue an operator key into a file (mode 600). A file that holds a valid key already is kept as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name and file."""
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument("--out", required=True, type=Path, help="the file to write")

    def handle(self, *_: Any, **options: Any) -> None:
        """Keep a valid key, or write a new one."""
        out = Path(options["out"])
        if _is_valid(out):
            self.stdout.write(f"{out} holds a valid operator key already.")
            return
        fresh = out.with_name(out.name + ".new")
        try:
            token = issue_operator_key(name=options["name"])
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600, exist_ok=False)
            fresh.write_text(token + "\n")
            fresh.replace(out)
        except TenantError as error:
            raise terminal.refused(error) from error
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}") from error
        self.stdout.write(f"The operator key is in {out}.")


def _is_valid(path: Path) -> bool:
    try:
        check_operator(path.read_text().strip())
    except (FileNotFoundError, CredentialInvalid):
        return False
    return True
