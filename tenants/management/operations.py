"""What the commands about operations share: which ones are meant, and a line for each."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import CommandParser

from tenants.selectors.fleet import FleetOperation
from tenants.states import OperationKind

_LONGEST_TEXT: Final = 120


def add_filters(parser: CommandParser) -> None:
    """`--kind`, `--region` and `--tenant`, each as often as one likes."""
    parser.add_argument("--kind", action="append", default=[], choices=OperationKind.values)
    parser.add_argument("--region", action="append", default=[], help="the Region that it is about")
    parser.add_argument("--tenant", action="append", default=[], help="slug of a tenant")


def filters(options: dict[str, Any]) -> dict[str, list[str]]:
    """The same as arguments of the selectors."""
    return {"kinds": options["kind"], "regions": options["region"], "slugs": options["tenant"]}


def line(found: FleetOperation) -> str:
    """One step for people."""
    step = found.step
    said = f"  {step.error['code']}: {step.error['message']}" if step.error else ""
    rows = f"  {step.done} of {step.total}" if step.total is not None else ""
    text = f"{found.slug}  {found.plan}  {step.kind} {step.region}  {step.state}{rows}{said}"
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
