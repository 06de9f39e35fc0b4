"""What the danger zone says of a tenant's end: who asked, who may approve, and whether the records were exported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.console.access import Permission, Visitor
from gateway.console.people import Person, person
from tenants.errors import NotFound
from tenants.scope import tenant_scope
from tenants.selectors import MemberView, TenantView, list_members
from tenants.selectors.exports import ExportView, find_export, get_records_mark
from tenants.selectors.offboarding import OffboardingView, get_offboarding
from tenants.selectors.revocation import RevocationReport, get_revocation_report
from tenants.services.offboarding import MAY_DECIDE

OPEN = ("requested", "approved")


@dataclass(frozen=True, slots=True)
class Revocation:
    """The latest revocation, and whether this visitor may take it back."""

    report: RevocationReport
    by: Person | None
    may_restore: bool


@dataclass(frozen=True, slots=True)
class End:
    """The newest request to end a tenant. `approvers` are the members who may approve it; an operator may where
    `operator_may`; `may_approve` says whether this visitor may."""

    view: OffboardingView
    requested_by: Person | None
    approved_by: Person | None
    approvers: tuple[str, ...]
    operator_may: bool
    may_approve: bool

    @property
    def is_open(self) -> bool:
        """Whether it waits for somebody, or is under way."""
        return self.view.state in OPEN


@dataclass(frozen=True, slots=True)
class ExportState:
    """The records of this moment, and the export that has seen just these, if there is one."""

    records: int
    export: ExportView | None

    @property
    def is_missing(self) -> bool:
        """Whether an approval needs a waiver."""
        return self.export is None and self.records > 0


def get_revocation(
    tenant: TenantView, visitor: Visitor, names: Mapping[str, str]
) -> Revocation | None:
    """None where the tenant was never revoked."""
    try:
        report = get_revocation_report(tenant.id)
    except NotFound:
        return None
    by_operator = report.revoked_by.startswith("operator:")
    may = Permission.KEYS in visitor.permissions and (visitor.is_operator or not by_operator)
    return Revocation(report, person(report.revoked_by, names), may_restore=may)


def get_end(tenant: TenantView, visitor: Visitor, names: Mapping[str, str]) -> End | None:
    """None where nobody ever asked to end the tenant."""
    try:
        view = get_offboarding(tenant.id)
    except NotFound:
        return None
    asked = person(view.requested_by, names)
    approvers = list(_approvers(list_members(tenant.id), view))
    operator_may = not view.requested_by.startswith("operator:")
    return End(
        view=view,
        requested_by=asked,
        approved_by=person(view.approved_by, names),
        approvers=tuple(member.email for member in approvers),
        operator_may=operator_may,
        may_approve=view.state == "requested"
        and _may_approve(visitor, view, approvers, operator_may=operator_may),
    )


def get_export_state(tenant: TenantView) -> ExportState:
    """Reads all of the tenant's records: only where somebody is about to decide on it."""
    mark = get_records_mark(tenant.id)
    with tenant_scope(tenant.id, "read"):
        return ExportState(mark.records, find_export(tenant.id, mark))


def _approvers(members: Iterable[MemberView], view: OffboardingView) -> Iterable[MemberView]:
    """As the service has it: owner or key admin, since before the request, and somebody else."""
    asked = view.requested_by.partition(":")[2]
    for member in members:
        since_before = member.created_at < view.requested_at
        if member.role in MAY_DECIDE and since_before and str(member.user_id) != asked:
            yield member


def _may_approve(
    visitor: Visitor,
    view: OffboardingView,
    approvers: Iterable[MemberView],
    *,
    operator_may: bool,
) -> bool:
    if visitor.is_operator:
        return operator_may and view.requested_by.partition(":")[2] != str(visitor.user_id)
    return any(member.user_id == visitor.user_id for member in approvers)
