"""manage.py approve_offboarding acme"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.management.offboarding import show_offboarding
from tenants.selectors import get_tenant
from tenants.selectors.offboarding import get_offboarding
from tenants.services.offboarding import approve_offboarding


class Command(BaseCommand):
    """Approve the end of a tenant that a member of it has requested."""

    help = (
        "Approve the end of a tenant, which a member of it has requested; asks for its slug once more unless --yes."
        " Exit codes: 0 approved, 1 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug and waiver."""
        parser.add_argument("slug")
        parser.add_argument(
            "--waive-export",
            action="store_true",
            help="approve although records were written since the last export",
        )
        parser.add_argument("--yes", action="store_true", help="do not ask for the slug again")
        parser.add_argument("--dry-run", action="store_true", help="show and change nothing")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Show what is requested, ask, and approve exactly that."""
        try:
            tenant = get_tenant(options["slug"])
            view = get_offboarding(tenant.id)
            if not options["dry_run"]:
                if not options["yes"]:
                    self.stdout.write(show_offboarding(tenant.slug, view, as_json=False))
                terminal.confirm(tenant.slug, "Destroy all keys and records of", yes=options["yes"])
                view = approve_offboarding(
                    tenant_id=tenant.id,
                    offboarding_id=view.id,
                    actor=terminal.operator(),
                    waive_export=options["waive_export"],
                )
        except TenantError as error:
            raise terminal.refused(error) from error
        self.stdout.write(show_offboarding(tenant.slug, view, as_json=options["json"]))
