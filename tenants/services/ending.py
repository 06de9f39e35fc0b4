"""The plan of a tenant's end, and its first step: nothing was written since the export."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Final, NamedTuple
from uuid import UUID

from django.utils import timezone

from crypto.arn import KeyArn
from crypto.part import JsonValue
from tenants.errors import ExportMissing
from tenants.models import Offboarding, PreviousKey, RegionalKey, Tenant, TenantKey
from tenants.selectors.exports import RecordsMark, get_records_mark
from tenants.services.audit import record_event, this_worker
from tenants.services.claims import note
from tenants.services.plans import Step
from tenants.services.work import NotYet, Result, Work
from tenants.states import KeyTier, OperationKind

# A request that began before the tenant was closed may still write: it is over by then. (A body that takes longer is
# authenticated anew when it is there; KMS is given 16 s, a statement of the database 15 s.)
IN_FLIGHT_SECONDS: Final = 60.0


class _Places(NamedTuple):
    """Where the keys are, who ends them, and how many days they wait."""

    home: str
    regions: tuple[str, ...]
    days: int


class ConfirmExport:
    """Wait until nobody writes any more, and prove that the export has seen the last write."""

    settles: ClassVar[tuple[type[Exception], ...]] = ()

    def perform(self, work: Work) -> Result:
        """Compare the records with what they were at the approval. Raises `ExportMissing` where they have changed."""
        if "waited" not in work.found:
            note(work, waited=True)
            raise NotYet(IN_FLIGHT_SECONDS)
        mark = get_records_mark(work.tenant_id)
        if mark.as_list() != work.arguments["mark"] and not work.arguments["waived"]:
            raise ExportMissing(
                "A record was written while the end was approved, and is in no export. Cancel, and export again."
            )
        return {"records": mark.records}

    def record(self, work: Work, result: Result) -> None:
        """That nothing more is written."""
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="offboarding.export_confirmed",
            subject=work.slug,
            detail={"records": result["records"], "waived": work.arguments["waived"]},
        )


def offboarding_steps(tenant: Tenant, row: Offboarding, mark: RecordsMark) -> list[Step]:
    """The plan, from the tables in the caller's scope. Names are withdrawn last of all, so that whoever calls it off
    finds them as they were."""
    home = tenant.home_region
    key = TenantKey.objects.get(tenant_id=tenant.id)
    confirm: dict[str, JsonValue] = {
        "was": str(tenant.state),
        "mark": mark.as_list(),
        "waived": row.export_waived,
    }
    regions = _regions(tenant.id)
    at = _Places(home, tuple(regions), row.waiting_days)
    keys = [*([""] if key.tier == KeyTier.DEDICATED else []), *_dedicated_before(tenant.id)]
    steps = [
        Step(0, OperationKind.CONFIRM_EXPORT, home, home, confirm),
        *(Step(1, OperationKind.DISABLE_KEY, region, region) for region in regions),
    ]
    # All of them are scheduled before the first is awaited: their days run side by side.
    for position, arn in enumerate(keys, start=2):
        steps += _each(OperationKind.SCHEDULE_DELETION, position, arn, at)
    for position, arn in enumerate(keys, start=2 + len(keys)):
        steps += _each(OperationKind.AWAIT_DELETED, position, arn, at)
    last = 2 + 2 * len(keys)
    retire: dict[str, JsonValue] = {"offboarding": str(row.id)}
    if key.tier != KeyTier.DEDICATED:
        # KMS waits for nothing here: without this there would be no time to call it off.
        retire["not_before"] = (timezone.now() + timedelta(days=row.waiting_days)).isoformat()
    return [
        *steps,
        Step(last, OperationKind.RETIRE_TENANT, home, home, retire),
        *(Step(last + 1, OperationKind.WITHDRAW_KEY, region, home) for region in regions),
    ]


def _each(kind: OperationKind, position: int, arn: str, at: _Places) -> list[Step]:
    """The step in every Region, about the tenant's key, or about the one before it whose ARN is given."""
    days: dict[str, JsonValue] = (
        {"waiting_days": at.days} if kind == OperationKind.SCHEDULE_DELETION else {}
    )
    return [
        Step(position, kind, region, at.home, days | _about(arn, region)) for region in at.regions
    ]


def _about(arn: str, region: str) -> dict[str, JsonValue]:
    return {"arn": str(KeyArn.parse(arn).in_region(region))} if arn else {}


def _regions(tenant_id: UUID) -> list[str]:
    """Every Region of the tenant, also one where a key was about to be made; none where there never was a key."""
    rows = RegionalKey.objects.filter(tenant_id=tenant_id).order_by("region")
    if not rows.exclude(arn="").exists():
        return []
    return list(rows.values_list("region", flat=True))


def _dedicated_before(tenant_id: UUID) -> list[str]:
    rows = PreviousKey.objects.filter(tenant_id=tenant_id, tier=KeyTier.DEDICATED)
    return list(rows.order_by("-replaced_at").values_list("arn", flat=True))
