"""Retirement: the end of a tenant's end. KMS has deleted its keys; its rows go, and a certificate stays.

What was sealed is unreadable since the key is gone, in every copy and backup. The rows are deleted all the same: clear
fields were never sealed, and search tokens tell who had equal values.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from django.db import connections
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from crypto.arn import KeyArn
from crypto.errors import KeyNotFound
from crypto.part import JsonValue
from tenants.models import ApiKey, KeyOperation, Offboarding, Tenant
from tenants.scope import scope_alias, tenant_scope
from tenants.services.audit import record_event, this_worker
from tenants.services.certificates import certificate_of
from tenants.services.claims import note
from tenants.services.clients import get_key_admin
from tenants.services.signing import sign
from tenants.services.work import Continue, NotVerified, NotYet, Result, Work
from tenants.states import OffboardingState, OperationState, TenantState

_BATCH: Final = 2_000
_DAY_SECONDS: Final = 86_400.0
_PATIENCE: Final = "select set_config('statement_timeout', '10min', true)"
# In the order in which they can be deleted: parts and tokens go with their record.
_COUNTED: Final = ("record", "sealedpart", "blindindexentry", "datakey", "collection")
_DELETE_RECORDS: Final = """
    delete from tenants_record where tenant_id = %(tenant)s and id in (
        select id from tenants_record where tenant_id = %(tenant)s order by id limit %(batch)s
    )
"""
_DELETE_REST: Final = (
    "delete from tenants_datakey where tenant_id = %(tenant)s",
    "delete from tenants_collection where tenant_id = %(tenant)s",
    "delete from tenants_writercanary where tenant_id = %(tenant)s",
)


class RetireTenant:
    """Prove that the keys are gone, delete the rows, and write the certificate."""

    settles: ClassVar[tuple[type[Exception], ...]] = (NotVerified,)

    def perform(self, work: Work) -> Result:
        """In parts: count once, delete in batches, and sign when nothing is left."""
        _await_time(work)
        gone = _prove_gone(work)
        if "counts" not in work.found:
            # Before anything is deleted: it would be bad to find out at the end that nobody can sign.
            sign({"type": "mrk-gateway/self-test"})
            counts = count_rows(work.tenant_id)
            raise Continue(counts=counts, gone=gone, final=True, done=0, total=counts["record"])
        deleted = _delete_batch(work)
        if deleted:
            raise Continue(done=int(str(work.found["done"])) + deleted)
        certificate = sign(certificate_of(work))
        return {**work.found, "certificate": certificate}

    def record(self, work: Work, result: Result) -> None:
        """The tenant is retired for good. The certificate stands with the request, and not in the plan as well."""
        certificate = result.pop("certificate")
        Offboarding.objects.filter(
            tenant_id=work.tenant_id, id=str(work.arguments["offboarding"])
        ).update(state=OffboardingState.DONE, certificate=certificate, finished_at=Now())
        Tenant.objects.filter(id=work.tenant_id).update(
            state=TenantState.RETIRED, key_epoch=F("key_epoch") + 1
        )
        ApiKey.objects.filter(tenant_id=work.tenant_id, revoked_at=None).update(revoked_at=Now())
        KeyOperation.objects.filter(
            tenant_id=work.tenant_id,
            state__in=[OperationState.PAUSED, OperationState.PLANNED, OperationState.FAILED],
        ).exclude(plan_id=work.plan_id).update(
            state=OperationState.CANCELLED, next_attempt_at=None, finished_at=Now()
        )
        record_event(
            tenant_id=work.tenant_id,
            actor=this_worker(),
            action="tenant.retired",
            subject=work.slug,
            detail={"unreadable": result["counts"], "keys_gone": result["gone"]},
        )


def count_rows(tenant_id: UUID) -> dict[str, JsonValue]:
    """How many rows of each kind the tenant has stored."""
    with tenant_scope(tenant_id, "latest"), connections[scope_alias()].cursor() as cursor:
        cursor.execute(_PATIENCE)
        found: dict[str, JsonValue] = {}
        for table in _COUNTED:
            cursor.execute(
                f"select count(*) from tenants_{table} where tenant_id = %s",  # noqa: S608 - a name of ours
                [tenant_id],
            )
            found[table] = int(cursor.fetchone()[0])
    return found


def _await_time(work: Work) -> None:
    not_before = work.arguments.get("not_before")
    if not_before:
        left = (datetime.fromisoformat(str(not_before)) - timezone.now()).total_seconds()
        if left > 0:
            raise NotYet(min(left + 1, _DAY_SECONDS))


def _prove_gone(work: Work) -> list[JsonValue]:
    """The ARNs of the keys whose deletion this plan has awaited, each of which KMS does not know any more."""
    with tenant_scope(work.tenant_id, "latest"):
        arns = list(awaited_keys(work))
    for arn in arns:
        try:
            state = get_key_admin().describe_key(KeyArn.parse(arn)).state
        except KeyNotFound:
            continue
        raise NotVerified(f"KMS still knows {arn}: {state}.")
    return [*arns]


def awaited_keys(work: Work) -> list[str]:
    """The keys that the plan has seen deleted, in the caller's scope."""
    rows = KeyOperation.objects.filter(
        tenant_id=work.tenant_id, plan_id=work.plan_id, kind="await_deleted"
    )
    results = rows.order_by("position", "region").values_list("result", flat=True)
    return [str(result["arn"]) for result in results if result.get("arn")]


def _delete_batch(work: Work) -> int:
    """Delete some records with all that belongs to them, and after the last the rest; how many records that were."""
    note(work)  # raises where the claim is lost: somebody may have called the end off
    with tenant_scope(work.tenant_id, "write"), connections[scope_alias()].cursor() as cursor:
        cursor.execute(_PATIENCE)
        names: dict[str, UUID | int] = {"tenant": work.tenant_id, "batch": _BATCH}
        cursor.execute(_DELETE_RECORDS, names)
        deleted = int(cursor.rowcount)
        if not deleted:
            for statement in _DELETE_REST:
                cursor.execute(statement, names)
    return deleted
