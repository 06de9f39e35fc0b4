"""What the commands about whose key it is share: rules from words, a key from the tenant's own account, new tenants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants import consistency
from tenants.errors import TenantError
from tenants.management import terminal
from tenants.selectors import TenantView, get_progress
from tenants.services.external_keys import ExternalKeyInput
from tenants.services.external_probe import Report
from tenants.services.rehearsal import rehearse
from tenants.services.rules import RegionRuleInput


def rules_of(text: str) -> list[RegionRuleInput]:
    """A rule that allows everything for each Region of a comma-separated list."""
    return [RegionRuleInput(region=name.strip()) for name in text.split(",") if name.strip()]


def add_external(parser: CommandParser) -> None:
    """A key in the tenant's own account."""
    parser.add_argument("--external-arn", default="", help="ARN of a key in the tenant's account")
    parser.add_argument(
        "--accounts", default="", help="AWS accounts whose keys are accepted, comma-separated"
    )


def external_of(options: dict[str, Any]) -> ExternalKeyInput | None:
    """The key that the options name, if any."""
    if not options["external_arn"]:
        return None
    accounts = [name.strip() for name in options["accounts"].split(",") if name.strip()]
    tenant_id = options.get("tenant_id")
    return ExternalKeyInput(
        options["external_arn"], tuple(accounts), uuid_of(tenant_id) if tenant_id else None
    )


def uuid_of(text: str) -> UUID:
    """The tenant id of that text. Raises `CommandError`."""
    try:
        return UUID(text)
    except ValueError as error:
        raise CommandError(f"{text} is no tenant id.") from error


def run_new(command: BaseCommand, options: dict[str, Any], start: Callable[[], TenantView]) -> None:
    """Rehearse or start what makes a tenant or a pool, wait if asked, show, and end with the plan's code."""
    try:
        if options["dry_run"]:
            _show_rehearsal(command, options, start)
            return
        tenant = start()
    except TenantError as error:
        raise terminal.refused(error) from error
    consistency.required.set(consistency.written.get())
    plan = (
        terminal.wait_for(tenant, options["timeout"])
        if options["wait"]
        else get_progress(tenant.id)
    )
    show = terminal.as_json if options["json"] else terminal.as_text
    command.stdout.write(show(tenant))
    if options["wait"]:
        terminal.end(plan)


def report_as_text(report: Report) -> str:
    """What the probes of one Region have found, for people."""
    lines = [f"{report.region}  {report.arn}  {'proven' if report.is_proven else 'NOT PROVEN'}"]
    lines += [
        f"  {'as it must be' if not each.advice else 'WRONG'}  {each.probe}:"
        f" {'allowed' if each.allowed else 'refused'}"
        for each in report.findings
    ]
    return "\n".join([*lines, *report.advice])


def _show_rehearsal(
    command: BaseCommand, options: dict[str, Any], start: Callable[[], TenantView]
) -> None:
    found = rehearse(start)
    steps = found.steps if found else []
    if options["json"]:
        document = {"dry_run": True, "steps": [asdict(step) for step in steps]}
        command.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    told = [
        f"  {step.position}  {step.kind.value} {step.region}, run in {step.run_region}"
        for step in steps
    ]
    first = f"{options['slug']} would be made:" if found else f"{options['slug']} is there already."
    command.stdout.write("\n".join([first, *told]))
