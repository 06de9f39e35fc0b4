"""People who may want a tenant's end, an export of its records, and the days that it takes."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F

from tenants.actor import Actor
from tenants.models import KeyOperation
from tenants.scope import tenant_scope
from tenants.selectors import Caller, TenantView, get_progress
from tenants.selectors.offboarding import OffboardingView, get_offboarding
from tenants.services.access import add_member
from tenants.services.claims import CLAIMABLE
from tenants.services.export import Export, export_records
from tenants.services.offboarding import approve_offboarding, request_offboarding
from tenants.services.records import RecordInput, create_record
from tests.callers import caller_of, people
from tests.cast import OPERATOR, advance_kms_clock, run_due

DAYS = 7


@dataclass(frozen=True)
class Leaving:
    """A tenant with records, two members who may decide, and one who may not."""

    tenant: TenantView
    caller: Caller
    collection: str
    olga: Actor
    ben: Actor
    dev: Actor

    @property
    def id(self) -> UUID:
        return self.tenant.id

    def write(self, record_id: str) -> None:
        """One more record."""
        fields: Any = {"name": record_id, "card": "4111", "ssn": secrets.token_hex(4)}
        create_record(
            caller=self.caller, collection=self.collection, record=RecordInput(record_id, fields)
        )

    def request(
        self, actor: Actor, reason: str = "They leave.", days: int = DAYS
    ) -> OffboardingView:
        return request_offboarding(tenant_id=self.id, reason=reason, waiting_days=days, actor=actor)

    def approve(self, actor: Actor, *, waive: bool = False) -> OffboardingView:
        """The newest request."""
        asked = get_offboarding(self.id)
        return approve_offboarding(
            tenant_id=self.id, offboarding_id=asked.id, actor=actor, waive_export=waive
        )

    def export(self) -> Export:
        """All records, and where they went."""
        return export_records(
            tenant_id=self.id, out=io.BytesIO(), actor=OPERATOR, show=lambda *_: None
        )


def member(tenant: TenantView, role: str) -> Actor:
    """A new member, as the console acts for one."""
    email = f"{role}-{secrets.token_hex(4)}@example.org"
    view = add_member(tenant_id=tenant.id, email=email, password=None, role=role, actor=OPERATOR)
    return Actor(kind="member", id=str(view.user_id))


def leaving(tenant: TenantView, records: int = 2) -> Leaving:
    """Give a tenant its people and records."""
    caller = caller_of(tenant)
    found = Leaving(
        tenant,
        caller,
        people(caller),
        olga=member(tenant, "owner"),
        ben=member(tenant, "key_admin"),
        dev=member(tenant, "developer"),
    )
    for number in range(records):
        found.write(f"record-{number}")
    return found


def pass_days(tenant: TenantView, days: float = DAYS + 1) -> None:
    """So many days later: whatever waits is due, and KMS has deleted what was to be deleted."""
    later = timedelta(days=days)
    with tenant_scope(tenant.id, "write"):
        waiting = KeyOperation.objects.filter(tenant_id=tenant.id, state__in=CLAIMABLE)
        waiting.update(next_attempt_at=F("next_attempt_at") - later)
    advance_kms_clock(later.total_seconds())


def run_until(
    tenant: TenantView,
    found: Callable[[], bool],
    pass_time: Callable[[TenantView], object],
    passes: int = 80,
) -> None:
    """Let the workers work and the time pass until that is so."""
    for _ in range(passes):
        if found():
            return
        if not run_due(tenant):
            pass_time(tenant)
    raise AssertionError(get_progress(tenant.id))
