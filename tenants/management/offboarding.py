"""The end of a tenant, for a terminal."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import orjson

from tenants.selectors.offboarding import OffboardingView


def show_offboarding(slug: str, view: OffboardingView, *, as_json: bool) -> str:
    """The request as one JSON document, or in a few lines."""
    if as_json:
        return orjson.dumps(asdict(view), option=orjson.OPT_INDENT_2).decode()
    lines = [
        f"{slug}: offboarding {view.id} is {view.state}. {view.reason}",
        f"  requested by {view.requested_by} at {_time(view.requested_at)}, {view.waiting_days} days of waiting",
    ]
    if view.approved_at:
        lines.append(f"  approved by {view.approved_by} at {_time(view.approved_at)}")
    lines.append(f"  export: {_export(view)}")
    for key in view.keys:
        date = f", deleted on {_time(key.deletion_date)}" if key.deletion_date else ""
        lines.append(f"  {key.region}  {key.role}  {key.key_state or 'gone'}{date}")
    if view.final_date:
        lines.append(f"  {'ended' if view.finished_at else 'ends'} on {_time(view.final_date)}")
    return "\n".join(lines)


def _export(view: OffboardingView) -> str:
    if view.export_waived:
        return "waived"
    return f"sha256 {view.export_digest}" if view.export_digest else "none"


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
