"""What the commands about rotation and re-encryption share: they start one plan of one tenant, and may wait for it."""

from __future__ import annotations

from argparse import _ArgumentGroup
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from tenants import consistency
from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import TenantView, get_progress, get_tenant

EXIT_CODES = "Exit codes: 0 done (or planned, without --wait), 1 refused, 3 not finished, 4 failed."


def add_arguments(parser: CommandParser) -> None:
    """Tenant, waiting, form."""
    parser.add_argument("slug")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    parser.add_argument("--wait", action="store_true", help="wait until the plan is finished")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds to wait at most")
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def add_reencrypt(parser: CommandParser | _ArgumentGroup) -> None:
    """Whether the records follow."""
    parser.add_argument("--reencrypt", action="store_true", help="then re-encrypt all records")


def run(
    command: BaseCommand,
    options: dict[str, Any],
    *,
    start: Callable[[TenantView], UUID],
    planned: Callable[[TenantView], str],
) -> None:
    """Start the plan, and if asked wait and show; with --dry-run say what `planned` says."""
    try:
        tenant = get_tenant(options["slug"])
        if options["dry_run"]:
            command.stdout.write(f"{tenant.slug}: {planned(tenant)}")
            return
        start(tenant)
    except TenantError as error:
        raise terminal.refused(error) from error
    # This Region's reader may not have the plan yet, and show the one before, which is finished.
    consistency.required.set(consistency.written.get())
    plan = (
        terminal.wait_for(tenant, options["timeout"])
        if options["wait"]
        else get_progress(tenant.id)
    )
    show = terminal.as_json if options["json"] else terminal.as_text
    command.stdout.write(show(get_tenant(tenant.slug)))
    if options["wait"]:
        terminal.end(plan)
