"""The report of a revocation, for a terminal."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

import orjson

from tenants.selectors.revocation import RegionReport, get_revocation_report


def show_report(tenant_id: UUID, *, as_json: bool) -> str:
    """The latest report as one JSON document, or a line for each fact."""
    report = get_revocation_report(tenant_id)
    if as_json:
        return orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2).decode()
    proven = "proven in every Region" if report.is_proven else "not proven in every Region yet"
    lines = [
        f"{report.slug}: {report.tenant_state}.",
        f"Revoked at {_time(report.revoked_at)} by {report.revoked_by}, {proven}.",
        f"Reason: {report.reason}",
        *(line for region in report.regions for line in _region(region)),
    ]
    if report.to_do:
        lines.append(report.to_do)
    return "\n".join(lines)


def _region(region: RegionReport) -> list[str]:
    lines = [
        f"{region.region}: {region.state}",
        f"  gateways refuse since  {_time(region.reader_at)}",
        f"  key disabled at        {_time(region.disabled_at)}",
        f"  last probe served at   {_time(region.last_served_at)}",
        f"  KMS refuses since      {_time(region.refused_at)}",
        f"  last Decrypt in trail  {_trail(region)}",
    ]
    if region.error:
        lines.append(f"  {region.error['code']}: {region.error['message']}")
    return lines


def _trail(region: RegionReport) -> str:
    if region.trail_error:
        return f"unknown: {region.trail_error}"
    if region.trail_read_at is None:
        return "not read yet"
    found = _time(region.last_decrypt_at) if region.last_decrypt_at else "none"
    return f"{found}, as read at {_time(region.trail_read_at)} (it lags by up to 15 minutes)"


def _time(moment: datetime | None) -> str:
    return moment.isoformat(timespec="milliseconds") if moment else "-"
