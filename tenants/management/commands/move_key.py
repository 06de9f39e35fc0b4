"""manage.py move_key acme --to dedicated --wait"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.management import keys, regions, terminal
from tenants.selectors import TenantView
from tenants.services.key_moves import start_forgetting, start_key_move
from tenants.states import KeyTier


class Command(BaseCommand):
    """Move a tenant to another key and re-encrypt its records; or forget the key that a move has kept."""

    help = (
        "Move a tenant to another key. Requests go on meanwhile. Exit codes: 0 done (or planned, without --wait),"
        " 1 refused, 3 not finished, 4 failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant, and which key."""
        parser.add_argument("slug")
        parser.add_argument(
            "--to", choices=[KeyTier.DEDICATED.value, KeyTier.EXTERNAL.value], default=""
        )
        keys.add_external(parser)
        parser.add_argument(
            "--forget-previous",
            action="store_true",
            help="move nothing, but forget the key before: its values are encrypted anew, as far as they are needed",
        )
        terminal.add_plan_arguments(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        """Start the plan."""
        if bool(options["to"]) == options["forget_previous"]:
            raise CommandError("Say --to dedicated, --to external or --forget-previous.")

        def start(tenant: TenantView) -> UUID:
            if options["forget_previous"]:
                return start_forgetting(tenant_id=tenant.id, actor=terminal.operator())
            return start_key_move(
                tenant_id=tenant.id,
                tier=KeyTier(options["to"]),
                external=keys.external_of(options),
                actor=terminal.operator(),
            )

        regions.run_one(self, options, start, f"{options['slug']}: nothing to do.")
