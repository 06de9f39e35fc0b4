"""What the commands share: who acts, how progress is shown, and with which code a command ends."""

from __future__ import annotations

import getpass
import sys
import time
from dataclasses import asdict
from typing import Any, Final

import orjson
from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tenants.actor import Actor
from tenants.errors import InputInvalid, TenantError
from tenants.selectors import Progress as Plan
from tenants.selectors import TenantView, get_progress, list_regional_keys
from tenants.states import OperationState

# 1 is Django's code for an error and 2 that of a wrong argument.
UNFINISHED: Final = 3
FAILED: Final = 4
_POLL_SECONDS: Final = 0.3


def operator() -> Actor:
    """The person at the terminal, by the name of their account on this machine."""
    return Actor(kind="operator", id=f"terminal:{getpass.getuser()}"[:64])


def refused(error: TenantError) -> CommandError:
    """The error in the words of a terminal: its code, its text, and each problem on a line of its own."""
    lines = [f"{error.code}: {error}"]
    if isinstance(error, InputInvalid):
        lines += [f"  {place}: {rule}" for place, rule in error.problems]
    return CommandError("\n".join(lines))


def add_plan_arguments(parser: CommandParser) -> None:
    """`--wait`, `--timeout`, `--dry-run` and `--json` of a command that starts a plan."""
    parser.add_argument("--wait", action="store_true", help="wait until the plan is finished")
    parser.add_argument("--timeout", type=float, default=300, help="seconds to wait at most")
    parser.add_argument("--dry-run", action="store_true", help="show and change nothing")
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def confirm(slug: str, verb: str, *, yes: bool) -> None:
    """Ask for the slug to be typed once more, unless `yes`. Raises `CommandError` for anything else."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("Nobody can be asked here: add --yes.")
    if input(f"{verb} {slug}? Type the slug: ").strip() != slug:
        raise CommandError("That is another slug. Nothing was changed.")


def exit_code(plan: Plan) -> int:
    """0 for a plan that is done, FAILED for one that stopped or was cancelled, UNFINISHED for one under way."""
    if plan.failed or plan.cancelled:
        return FAILED
    return 0 if plan.is_finished else UNFINISHED


def wait_for(tenant: TenantView, seconds: float) -> Plan:
    """Show the newest plan's progress until it is done or cancelled, has failed, or the time is over."""
    deadline = time.monotonic() + seconds
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        line = bar.add_task(tenant.slug, total=None)
        while True:
            plan = get_progress(tenant.id)
            bar.update(line, completed=plan.done, total=plan.total, description=doing(plan))
            if plan.is_finished or plan.failed or time.monotonic() > deadline:
                return plan
            time.sleep(_POLL_SECONDS)


def as_json(tenant: TenantView) -> str:
    """The tenant, its keys and its newest plan as one JSON document."""
    plan = get_progress(tenant.id)
    document: dict[str, Any] = {
        "tenant": asdict(tenant),
        "keys": [asdict(key) for key in list_regional_keys(tenant.id)],
        "plan": _plan(plan),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def plan_as_json(plan: Plan) -> str:
    """One plan as a JSON document."""
    return orjson.dumps(_plan(plan), option=orjson.OPT_INDENT_2).decode()


def as_text(tenant: TenantView) -> str:
    """The same for people."""
    plan = get_progress(tenant.id)
    others = [
        f", {count} {word}"
        for word, count in (("cancelled", plan.cancelled), ("paused", plan.paused))
        if count
    ]
    if plan.is_rolled_back:
        others.append(", the change was taken back")
    lines = [
        f"{tenant.slug} ({tenant.name}): {tenant.state}, {plan.done} of {plan.total} steps of its {plan.plan}"
        + "".join(others)
    ]
    for key in list_regional_keys(tenant.id):
        policy = "policy in force" if key.policy_in_force else "policy not in force"
        gone = f"  deleted on {key.deletion_date:%Y-%m-%d}" if key.deletion_date else ""
        lines.append(
            f"  {key.region}  {key.role}  {key.key_state or '-'}  {policy}  {key.arn or '-'}{gone}"
        )
    for step in plan.operations:
        if step.error:
            lines.append(
                f"  {step.kind} {step.region}: {step.state}, {step.error['code']}: {step.error['message']}"
            )
    return "\n".join(lines)


def end(plan: Plan) -> None:
    """End the process with the code that belongs to the plan, if that is not 0."""
    if code := exit_code(plan):
        sys.exit(code)


def _plan(plan: Plan) -> dict[str, Any]:
    return asdict(plan) | {"is_finished": plan.is_finished, "is_rolled_back": plan.is_rolled_back}


def doing(plan: Plan) -> str:
    running = [
        step
        for step in plan.operations
        if step.state in (OperationState.DUE, OperationState.RUNNING)
    ]
    if not running:
        return plan.plan
    first = running[0]
    rows = f" {first.done:,} of {first.total:,}" if first.done is not None and first.total else ""
    return f"{first.kind} {first.region}{rows}"
