"""manage.py external_key_policy acme, or before it is onboarded external_key_policy --regions us-east-2,eu-west-1"""

from __future__ import annotations

from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.errors import TenantError
from tenants.management import keys, terminal
from tenants.selectors import get_tenant
from tenants.services.external_keys import external_key_policy, new_policy_templates


class Command(BaseCommand):
    """Print what a tenant pastes into the policies of its own key, so that the gateway may use it."""

    help = (
        "Print the statements for the key policies of an external key, by Region. Without a tenant, for one that will"
        " be onboarded with the tenant id that is printed. Exit codes: 0 printed, 1 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose."""
        parser.add_argument("slug", nargs="?", default="")
        parser.add_argument("--regions", default="", help="of a new tenant, comma-separated")
        parser.add_argument("--tenant-id", help="of a new tenant; a new one unless given")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print them."""
        if bool(options["slug"]) == bool(options["regions"]):
            raise CommandError("Name a tenant, or the --regions of a new one.")
        try:
            if options["slug"]:
                tenant_id = get_tenant(options["slug"]).id
                policies = external_key_policy(tenant_id=tenant_id)
            else:
                given = options["tenant_id"]
                tenant_id, policies = new_policy_templates(
                    rules=keys.rules_of(options["regions"]),
                    tenant_id=keys.uuid_of(given) if given else None,
                )
        except TenantError as error:
            raise terminal.refused(error) from error
        if options["json"]:
            document = {"tenant_id": str(tenant_id), "policies": policies}
            self.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
            return
        self.stdout.write(f"Tenant id: {tenant_id}")
        for region, document in policies.items():
            self.stdout.write(f"\nInto the key policy in {region}, beside what is there:")
            self.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
