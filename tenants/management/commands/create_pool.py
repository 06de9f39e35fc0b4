"""manage.py create_pool small-ones --home us-east-2 --regions us-east-2,eu-west-1 --wait"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.management import keys, terminal
from tenants.services.onboarding import create_pool


class Command(BaseCommand):
    """Plan a pool, whose key several tenants share; the same again changes nothing."""

    help = "Make a pool. Exit codes: 0 done (or planned, without --wait), 1 refused, 3 not finished, 4 failed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug, name and Regions."""
        parser.add_argument("slug")
        parser.add_argument("--name", help="what people call the pool; its slug, unless given")
        parser.add_argument("--home", required=True, help="Region of the primary key")
        parser.add_argument("--regions", required=True, help="all its Regions, comma-separated")
        terminal.add_plan_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Plan, and if asked wait and show."""
        keys.run_new(
            self,
            options,
            lambda: create_pool(
                slug=options["slug"],
                name=options["name"] or options["slug"],
                home_region=options["home"],
                rules=keys.rules_of(options["regions"]),
                actor=terminal.operator(),
            ),
        )
