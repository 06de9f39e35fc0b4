"""manage.py onboard_tenant acme --name Acme --home us-east-2 --regions us-east-2,eu-west-1 --wait"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.management import keys, terminal
from tenants.services.key_choice import KeyInput
from tenants.services.onboarding import start_onboarding
from tenants.states import KeyTier


class Command(BaseCommand):
    """Plan a tenant's onboarding, which the workers carry out; the same again changes nothing."""

    help = "Onboard a tenant. Exit codes: 0 done (or planned, without --wait), 1 refused, 3 not finished, 4 failed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug, name, Regions, and whose key it is."""
        parser.add_argument("slug")
        parser.add_argument("--name", required=True, help="what people call the tenant")
        parser.add_argument("--home", required=True, help="Region of the primary key")
        parser.add_argument("--regions", required=True, help="all its Regions, comma-separated")
        parser.add_argument("--tier", choices=KeyTier.values, default=KeyTier.DEDICATED.value)
        parser.add_argument("--pool", default="", help="whose key it shares, with --tier pooled")
        keys.add_external(parser)
        parser.add_argument("--tenant-id", help="the id that external_key_policy has given out")
        terminal.add_plan_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Plan, and if asked wait and show."""
        key = KeyInput(
            tier=KeyTier(options["tier"]),
            pool=options["pool"],
            external=keys.external_of(options),
        )
        keys.run_new(
            self,
            options,
            lambda: start_onboarding(
                slug=options["slug"],
                name=options["name"],
                home_region=options["home"],
                rules=keys.rules_of(options["regions"]),
                key=key,
                actor=terminal.operator(),
            ),
        )
