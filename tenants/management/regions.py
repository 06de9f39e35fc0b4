"""What the commands about Regions share: one tenant's plan, rehearsed, started and followed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

import orjson
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import Progress as Plan
from tenants.selectors import TenantView, get_plan, get_tenant
from tenants.services.rehearsal import Rehearsed, rehearse
from tenants.states import OperationKind, OperationState

_POLL_SECONDS: Final = 0.3
_AT_WORK: Final = (OperationState.DUE, OperationState.RUNNING)


def add_ways(parser: CommandParser) -> None:
    """How it is done, and how it is shown."""
    parser.add_argument("--dry-run", action="store_true", help="show it and change nothing")
    parser.add_argument("--wait", action="store_true", help="wait until the plan is finished")
    parser.add_argument("--timeout", type=float, default=300, help="seconds to wait at most")
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def run_one(
    command: BaseCommand,
    options: dict[str, Any],
    start: Callable[[TenantView], UUID | None],
    unchanged: str,
) -> None:
    """Rehearse or start the plan of the tenant that the options name, wait if asked, show, and end with its code.

    `unchanged` says what holds where there is nothing to do.
    """
    try:
        tenant = get_tenant(options["slug"])
        if options["dry_run"]:
            found = rehearse(lambda: start(tenant))
            command.stdout.write(_rehearsed(tenant, found, unchanged, as_json=options["json"]))
            return
        plan_id = start(tenant)
    except TenantError as error:
        raise terminal.refused(error) from error
    plan = _followed(tenant, plan_id, options) if plan_id else None
    if options["json"]:
        command.stdout.write(
            terminal.as_json(tenant) if plan is None else terminal.plan_as_json(plan)
        )
    else:
        command.stdout.write(terminal.as_text(get_tenant(tenant.slug)) if plan else unchanged)
    if plan and options["wait"]:
        _end(plan)


def only_waits(plan: Plan) -> bool:
    """Whether nothing is left but KMS's waiting period, which takes days."""
    at = [step for step in plan.operations if step.state in _AT_WORK]
    return bool(at) and {step.kind for step in at} == {OperationKind.AWAIT_DELETED.value}


def _followed(tenant: TenantView, plan_id: UUID, options: dict[str, Any]) -> Plan:
    plan = get_plan(tenant.id, plan_id)
    if not options["wait"]:
        return plan
    deadline = time.monotonic() + options["timeout"]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        line = bar.add_task(tenant.slug, total=plan.total)
        while True:
            plan = get_plan(tenant.id, plan_id)
            bar.update(line, completed=plan.done, description=terminal.doing(plan))
            over = plan.is_finished or plan.failed or only_waits(plan)
            if over or time.monotonic() > deadline:
                return plan
            time.sleep(_POLL_SECONDS)


def _end(plan: Plan) -> None:
    """As `terminal.end`, but for days of waiting: all that was asked for is done then."""
    if (code := terminal.exit_code(plan)) and not only_waits(plan):
        sys.exit(code)


def _rehearsed(
    tenant: TenantView, found: Rehearsed | None, unchanged: str, *, as_json: bool
) -> str:
    if as_json:
        document = {
            "dry_run": True,
            "tenant": tenant.slug,
            "plan": found and found.plan.value,
            "steps": [asdict(step) for step in found.steps] if found else [],
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    if found is None:
        return unchanged
    lines = [
        f"  {step.position}  {step.kind.value} {step.region}, run in {step.run_region}"
        for step in found.steps
    ]
    return "\n".join([f"{tenant.slug} would get the plan {found.plan.value}:", *lines])
