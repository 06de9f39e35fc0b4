"""manage.py test_external_key acme --external-arn arn:aws:kms:..."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crypto.errors import CryptoError
from tenants.errors import TenantError
from tenants.management import keys, terminal
from tenants.selectors import get_tenant
from tenants.services.external_keys import try_external_key, try_new_external_key
from tenants.services.external_probe import Report


class Command(BaseCommand):
    """Try a key in a tenant's own account, in the Region of this process and with its role; nothing is written."""

    help = (
        "Probe an external key in this Region. For a tenant that is not onboarded yet, say --tenant-id, --regions and"
        " --accounts. Exit codes: 0 proven, 1 refused or no answer, 4 not proven."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and which."""
        parser.add_argument("slug", nargs="?", default="")
        keys.add_external(parser)
        parser.add_argument("--tenant-id", help="of a new tenant: what external_key_policy printed")
        parser.add_argument("--regions", default="", help="of a new tenant, comma-separated")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Probe and show."""
        try:
            report = self._report(options)
        except TenantError as error:
            raise terminal.refused(error) from error
        except CryptoError as error:
            raise CommandError(f"{error.code}: {error}") from error
        shown = asdict(report) | {"is_proven": report.is_proven, "advice": report.advice}
        as_json = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
        self.stdout.write(as_json if options["json"] else keys.report_as_text(report))
        if not report.is_proven:
            sys.exit(terminal.FAILED)

    @staticmethod
    def _report(options: dict[str, Any]) -> Report:
        key = keys.external_of(options)
        if key is None or bool(options["slug"]) == bool(options["tenant_id"]):
            raise CommandError("Say --external-arn, and a tenant or the --tenant-id of a new one.")
        if options["slug"]:
            return try_external_key(
                tenant_id=get_tenant(options["slug"]).id, arn=key.arn, accounts=key.accounts
            )
        return try_new_external_key(key=key, rules=keys.rules_of(options["regions"]))
