"""Offboarding: the end of a tenant, which two people must want, and which may be called off until its key is gone.

    requested -> approved by somebody else -> keys disabled, waiting for their deletion -> deleted -> retired, certified
                        |___________________________ cancelled ___________|

Why it takes two, and who they may be: docs/adr/0012-dual-control-and-certificate.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from tenants.actor import Actor
from tenants.errors import (
    ActorNotAllowed,
    Conflict,
    ExportMissing,
    InputInvalid,
    NotFound,
    OffboardingFinal,
    OffboardingUnderWay,
    PlanUnderWay,
)
from tenants.models import KeyOperation, Member, Offboarding, Tenant, TenantKey
from tenants.scope import tenant_scope
from tenants.selectors.exports import RecordsMark, find_export, get_records_mark
from tenants.selectors.offboarding import OffboardingView, view_of_offboarding
from tenants.services.audit import record_event
from tenants.services.deletion import LEAST_DAYS, MOST_DAYS
from tenants.services.ending import offboarding_steps
from tenants.services.plans import locked_tenant, pause_plans, write_plan
from tenants.services.restoration import restoration_steps, saving_steps
from tenants.services.revocation import check_reason, give_up_plans, lock_plans
from tenants.states import (
    MemberRole,
    OffboardingState,
    OperationKind,
    OperationState,
    PlanKind,
    TenantKind,
    TenantState,
)

MAY_DECIDE: Final = (MemberRole.OWNER, MemberRole.KEY_ADMIN)
_ENDABLE: Final = (TenantState.ONBOARDING, TenantState.ACTIVE, TenantState.REVOKED)
_OPEN: Final = (OffboardingState.REQUESTED, OffboardingState.APPROVED)


def request_offboarding(
    *, tenant_id: UUID, reason: str, waiting_days: int, actor: Actor
) -> OffboardingView:
    """Ask for the end of a tenant, with a waiting period of 7 to 30 days. Nothing happens before somebody approves.

    The same again by the same person returns the request. Raises `InputInvalid`, `NotFound`, `TenantNotActive`,
    `ActorNotAllowed`, `OffboardingUnderWay`, and `Conflict` for a pool.
    """
    check_reason(reason)
    if not LEAST_DAYS <= waiting_days <= MOST_DAYS:
        rule = f"must be {LEAST_DAYS} to {MOST_DAYS}"
        raise InputInvalid("The waiting period is not one of KMS.", [("/waiting_days", rule)])
    with tenant_scope(tenant_id, "write"):
        tenant = locked_tenant(tenant_id, *_ENDABLE, TenantState.OFFBOARDING)
        if tenant.kind == TenantKind.POOL:
            raise Conflict("A pool ends when no tenant shares its key any more.")
        _check_may_decide(tenant_id, actor)
        asked = (_person(actor), waiting_days, reason)
        if found := _open(tenant_id):
            if (found.requested_by, found.waiting_days, found.reason) == asked:
                return view_of_offboarding(found)
            raise OffboardingUnderWay("The tenant's end has been requested already.")
        row = Offboarding.objects.create(
            tenant_id=tenant_id,
            reason=reason,
            waiting_days=waiting_days,
            requested_by=_person(actor),
        )
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="offboarding.requested",
            subject=str(row.id),
            detail={"reason": reason, "waiting_days": waiting_days},
        )
        return view_of_offboarding(row)


def approve_offboarding(
    *, tenant_id: UUID, offboarding_id: UUID, actor: Actor, waive_export: bool = False
) -> OffboardingView:
    """Approve a request as the second person; from here on the tenant is not served, and its keys are ended.

    The request is named by its id, so that nobody approves another than the one they have read. The same again changes
    nothing. Raises `NotFound`, `TenantNotActive`, `ActorNotAllowed`, `Conflict` when it waits for nobody any more, and
    `ExportMissing` where records were written since the last export, unless it is waived.
    """
    mark = get_records_mark(tenant_id)
    with tenant_scope(tenant_id, "write"):
        lock_plans(tenant_id)
        row = Offboarding.objects.filter(tenant_id=tenant_id, id=offboarding_id).first()
        if row is None:
            raise NotFound("No such request.")
        tenant = locked_tenant(tenant_id, *_ENDABLE, TenantState.OFFBOARDING)
        row.refresh_from_db(from_queryset=Offboarding.objects.select_for_update())
        if (row.state, row.approved_by) == (OffboardingState.APPROVED, _person(actor)):
            return view_of_offboarding(row)
        if row.state != OffboardingState.REQUESTED:
            raise Conflict(f"The request is {row.state}: it waits for nobody's approval.")
        _check_second_person(row, actor)
        _settle_export(row, mark, waive=waive_export)
        give_up_plans(tenant_id, PlanKind.REVOCATION, PlanKind.RESTORATION)
        pause_plans(tenant_id)
        row.state, row.approved_by, row.approved_at = (
            OffboardingState.APPROVED,
            _person(actor),
            timezone.now(),
        )
        row.plan_id = write_plan(
            tenant_id=tenant_id,
            plan=PlanKind.OFFBOARDING,
            steps=offboarding_steps(tenant, row, mark),
        )
        row.save()
        Tenant.objects.filter(id=tenant_id).update(
            state=TenantState.OFFBOARDING, key_epoch=F("key_epoch") + 1
        )
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="offboarding.approved",
            subject=str(row.id),
            detail={
                "waiting_days": row.waiting_days,
                "export_sha256": row.export_digest,
                "export_waived": row.export_waived,
            },
        )
        return view_of_offboarding(row)


def cancel_offboarding(*, tenant_id: UUID, actor: Actor) -> OffboardingView:
    """Call off the tenant's end, requested or approved. One person is enough: it destroys nothing.

    A tenant that was approved to end is restored: its keys are kept, enabled and proven before it is served; one that
    was revoked before stays revoked. Raises `NotFound`, `ActorNotAllowed`, `OffboardingFinal` when the key is gone, and
    `PlanUnderWay` while a key is being scheduled at this moment.
    """
    with tenant_scope(tenant_id, "write"):
        lock_plans(tenant_id)
        tenant = locked_tenant(tenant_id, *_ENDABLE, TenantState.OFFBOARDING)
        _check_may_decide(tenant_id, actor)
        row = _open(tenant_id)
        if row is None:
            raise NotFound("No end of this tenant is requested.")
        if row.state == OffboardingState.APPROVED:
            row.plan_id = _take_back(tenant, row)
        row.state, row.finished_at = OffboardingState.CANCELLED, timezone.now()
        row.save()
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="offboarding.cancelled",
            subject=str(row.id),
            detail={"plan": str(row.plan_id) if row.plan_id else None},
        )
        return view_of_offboarding(row)


def _take_back(tenant: Tenant, row: Offboarding) -> UUID | None:
    """The way back of a tenant whose end was under way; the id of its plan."""
    mine = KeyOperation.objects.filter(tenant_id=tenant.id, plan=PlanKind.OFFBOARDING)
    steps = [step for step in mine if step.plan_id == row.plan_id]
    if _is_final(tenant.id, steps):
        raise OffboardingFinal("The tenant's key is destroyed, or its rows are being deleted.")
    scheduling = [step for step in steps if step.kind == OperationKind.SCHEDULE_DELETION]
    if _holds_claim(scheduling):
        raise PlanUnderWay("A key is being scheduled for deletion: try again in a minute.")
    give_up_plans(tenant.id, PlanKind.OFFBOARDING)
    Tenant.objects.filter(id=tenant.id).update(
        state=TenantState.REVOKED, key_epoch=F("key_epoch") + 1
    )
    was_scheduled = any(step.attempts for step in scheduling)
    was = next(step.arguments["was"] for step in steps if step.kind == OperationKind.CONFIRM_EXPORT)
    if was == TenantState.REVOKED:
        kept = saving_steps(tenant) if was_scheduled else []
        if not kept:
            return None
        return write_plan(tenant_id=tenant.id, plan=PlanKind.OFFBOARDING, steps=kept)
    back = restoration_steps(tenant, was_scheduled=was_scheduled)
    return write_plan(tenant_id=tenant.id, plan=PlanKind.RESTORATION, steps=back)


def _is_final(tenant_id: UUID, steps: list[KeyOperation]) -> bool:
    """Whether the primary key is gone, from which everything else could be made again, or the rows are."""
    primary = TenantKey.objects.get(tenant_id=tenant_id).primary_region
    return any(
        step.result.get("final")
        or (
            step.kind == OperationKind.AWAIT_DELETED
            and step.region == primary
            and "arn" not in step.arguments
            and step.state == OperationState.DONE
        )
        for step in steps
    )


def _holds_claim(steps: list[KeyOperation]) -> bool:
    rows = KeyOperation.objects.filter(
        id__in=[step.id for step in steps],
        state=OperationState.RUNNING,
        next_attempt_at__gt=Now(),
    )
    return rows.exists()


def _settle_export(row: Offboarding, mark: RecordsMark, *, waive: bool) -> None:
    """Which export it is that stays when all else is gone."""
    export = find_export(row.tenant_id, mark)
    if export is not None:
        row.export_digest, row.export_waived = export.digest, False
    elif mark.records == 0:
        row.export_digest, row.export_waived = "", False
    elif waive:
        row.export_digest, row.export_waived = "", True
    else:
        raise ExportMissing(
            "Records were written since the last export, or there is none: export again, or waive it."
        )


def _check_second_person(row: Offboarding, actor: Actor) -> None:
    """Two people, of whom one at least is the tenant's own. Both must still be who they were."""
    kind, _, identity = row.requested_by.partition(":")
    if identity == actor.id:
        raise ActorNotAllowed("Whoever requests a tenant's end does not approve it.")
    if kind == actor.kind == "operator":
        raise ActorNotAllowed("One of the two must be a member of the tenant.")
    _check_may_decide(row.tenant_id, actor, since=row.requested_at)
    if kind == "member":
        _check_may_decide(row.tenant_id, Actor(kind="member", id=identity))


def _check_may_decide(tenant_id: UUID, actor: Actor, *, since: datetime | None = None) -> None:
    """An operator, or a member who is owner or key admin, and was a member before `since`: nobody makes an account to
    approve what they have requested themselves."""
    if actor.kind == "operator":
        return
    if actor.kind == "member":
        members = Member.objects.filter(tenant_id=tenant_id, user_id=actor.id, role__in=MAY_DECIDE)
        if since is not None:
            members = members.filter(created_at__lt=since)
        if members.exists():
            return
    raise ActorNotAllowed(
        "It takes an owner or key administrator, who was one before the request, or an operator."
    )


def _open(tenant_id: UUID) -> Offboarding | None:
    rows = Offboarding.objects.filter(tenant_id=tenant_id, state__in=_OPEN)
    return rows.select_for_update().first()


def _person(actor: Actor) -> str:
    return f"{actor.kind}:{actor.id}"
