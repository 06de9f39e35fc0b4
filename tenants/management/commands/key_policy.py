"""manage.py key_policy acme eu-west-1 --diff"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from crypto.errors import CryptoError
from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import get_tenant
from tenants.services.policy_documents import (
    PolicyComparison,
    PolicyDocument,
    compare_policy,
    get_applied_policy,
    get_desired_policy,
)

_INDENTED = orjson.OPT_INDENT_2


class Command(BaseCommand):
    """Show the key policy of a tenant's key in one Region, with what each statement means."""

    help = (
        "Show a key policy: as the rules ask for it; with --applied as KMS holds it; with --diff where they differ."
        " These two read KMS with the audit role. Exit codes: 0 shown (--diff: equal), 1 refused, 4 they differ."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant, Region, and which document."""
        parser.add_argument("slug")
        parser.add_argument("region")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--applied", action="store_true", help="as KMS holds it now")
        which.add_argument("--diff", action="store_true", help="what differs from the desired one")
        parser.add_argument("--json", action="store_true", help="the document itself, in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read and show."""
        try:
            tenant = get_tenant(options["slug"])
            of: dict[str, Any] = {"tenant_id": tenant.id, "region": options["region"]}
            if options["diff"]:
                self._show_difference(compare_policy(**of), as_json=options["json"])
                return
            found = get_applied_policy(**of) if options["applied"] else get_desired_policy(**of)
        except TenantError as error:
            raise terminal.refused(error) from error
        except CryptoError as error:
            raise CommandError(f"{error.code}: {error}") from error
        if options["json"]:
            self.stdout.write(orjson.dumps(found.document, option=_INDENTED).decode())
        else:
            self.stdout.write(_as_text(found))

    def _show_difference(self, found: PolicyComparison, *, as_json: bool) -> None:
        if as_json:
            document = {
                "region": found.region,
                "is_equal": found.is_equal,
                "statements": [asdict(each) | {"text": str(each)} for each in found.statements],
            }
            self.stdout.write(orjson.dumps(document, option=_INDENTED).decode())
        else:
            self.stdout.write("\n".join(_difference_as_text(found)))
        if not found.is_equal:
            sys.exit(terminal.FAILED)


def _as_text(found: PolicyDocument) -> str:
    lines = [f"{found.region}  {found.arn or '(no key yet)'}  fingerprint {found.fingerprint[:12]}"]
    for one in found.statements:
        lines += [f"  {one.sid}", f"    {one.meaning}"]
    return "\n".join(lines)


def _difference_as_text(found: PolicyComparison) -> list[str]:
    if found.is_equal:
        return [f"{found.region}: KMS holds the key policy that the rules ask for."]
    lines = [f"{found.region}: the key policy is not as desired."]
    for one in found.statements:
        effects = (("allows more", one.allows_more), ("allows less", one.allows_less))
        effect = " and ".join(word for word, is_so in effects if is_so) or "no effect"
        lines.append(f"  {one.sid}: {one.change}, {effect}")
        for element in one.elements:
            lines += [f"    - {element.element} {value}" for value in element.missing]
            lines += [f"    + {element.element} {value}" for value in element.surplus]
        lines.append(f"    {one.says}")
    return lines if found.statements else [*lines, *(f"  {text}" for text in found.said)]
