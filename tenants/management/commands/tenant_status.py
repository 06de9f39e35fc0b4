"""manage.py tenant_status acme --json"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import get_progress, get_tenant


class Command(BaseCommand):
    """Show a tenant, its keys and its newest plan."""

    help = "Show a tenant. Exit codes: 0 its newest plan is finished, 1 no such tenant, 3 not finished, 4 failed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Slug and form."""
        parser.add_argument("slug")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Read and show."""
        try:
            tenant = get_tenant(options["slug"])
        except TenantError as error:
            raise terminal.refused(error) from error
        show = terminal.as_json if options["json"] else terminal.as_text
        self.stdout.write(show(tenant))
        terminal.end(get_progress(tenant.id))
