"""manage.py cancel_plan acme --dry-run"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import Progress, TenantView, get_plan, get_progress, get_tenant
from tenants.services.plans import cancel_plan
from tenants.states import OperationState


class Command(BaseCommand):
    """Give up what is not done of a plan. What is done stays as it is."""

    help = "Cancel what is not done of a tenant's plan. Exit codes: 0 cancelled, 1 refused."

    def add_arguments(self, parser: CommandParser) -> None:
        """Tenant and plan."""
        parser.add_argument("slug")
        parser.add_argument("--plan", type=UUID, help="id of the plan; by default the newest")
        parser.add_argument("--dry-run", action="store_true", help="show and change nothing")
        parser.add_argument("--json", action="store_true", help="answer in JSON")

    def handle(self, *_: Any, **options: Any) -> None:
        """Cancel, and show what has become of the plan."""
        try:
            tenant = get_tenant(options["slug"])
            plan = _plan(tenant, options["plan"])
            if not options["dry_run"]:
                cancel_plan(tenant_id=tenant.id, plan_id=plan, actor=terminal.operator())
            found = get_plan(tenant.id, plan)
        except TenantError as error:
            raise terminal.refused(error) from error
        if options["json"]:
            self.stdout.write(terminal.plan_as_json(found))
            return
        self.stdout.write(_text(found, dry=options["dry_run"]))


def _plan(tenant: TenantView, given: UUID | None) -> UUID:
    plan = given or get_progress(tenant.id).plan_id
    if plan is None:
        raise CommandError(f"{tenant.slug} has no plan.")
    return plan


def _text(plan: Progress, *, dry: bool) -> str:
    final = (OperationState.DONE, OperationState.CANCELLED)
    left = [step for step in plan.operations if step.state not in final]
    lines = [f"  {step.kind} {step.region}: {step.state}" for step in left]
    counts = f"{plan.done} of {plan.total} steps are done, {plan.cancelled} cancelled"
    head = f"{plan.plan}: {counts}" + (f", {len(left)} would be cancelled:" if dry else ".")
    return "\n".join([head, *lines])
