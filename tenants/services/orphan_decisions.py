"""What becomes of an orphan: its tagged tenant adopts it, or KMS deletes it after 30 days. A person decides.

Adopting happens in our tables: the step that was to make the tenant's key takes this one. Deleting is carried out by a
worker, which alone may, and which proves again right before the call that the key is nobody's and that nothing was
ever sealed with it.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import structlog
from django.db.models.functions import Now

from crypto.arn import KeyArn
from crypto.errors import CryptoError, KeyNotFound
from tenants.actor import Actor
from tenants.errors import NotFound, OrphanNotFree, TenantError
from tenants.jobs import enqueue_operation, enqueue_orphans
from tenants.models import KeyOperation, OrphanKey, Tenant
from tenants.scope import fleet_scope
from tenants.services.audit import record_event
from tenants.services.clients import get_key_admin
from tenants.services.deletion import MOST_DAYS, PENDING
from tenants.services.keys import OPERATION_TAG, TENANT_TAG
from tenants.services.orphans import owned_ids, seals_anything
from tenants.states import OperationKind, OperationState

_ADOPTING: Final = (OperationState.FAILED, OperationState.DUE)
_AT_ONCE: Final = 50
_log = structlog.get_logger(__name__)


def adopt_orphan(*, orphan_id: UUID, actor: Actor) -> UUID:
    """Let the tenant that the key is tagged with take it, whose own key is not made yet; returns the tenant's id.

    The step that was to make it takes this one, and goes on; every later step treats the key as if it had made it.
    Raises `NotFound`, and `OrphanNotFree` where the key is another's meanwhile, or no step waits for one.
    """
    with fleet_scope("write"):
        orphan = _undecided(orphan_id)
        tenant_id, step = _waiting_step(orphan)
        step.result |= {"adopted": orphan.arn}
        step.state, step.failures, step.error = OperationState.DUE, 0, {}
        step.next_attempt_at, step.finished_at = Now(), None
        step.save()
        orphan.resolution, orphan.resolved_at = "adopted", Now()
        orphan.save(update_fields=["resolution", "resolved_at"])
        record_event(
            tenant_id=tenant_id,
            actor=actor,
            action="orphan.adopted",
            subject=orphan.arn,
            detail={"region": orphan.region, "operation": str(step.id)},
        )
        enqueue_operation(tenant_id=tenant_id, operation_id=step.id, run_region=step.run_region)
    return tenant_id


def schedule_orphan(*, orphan_id: UUID, actor: Actor) -> None:
    """Let KMS delete the key after 30 days; its replicas first. The worker of its Region does it, at once or by its
    next look for orphans.

    Raises `NotFound`, and `OrphanNotFree` where the key is a tenant's, or anything was ever sealed with it.
    """
    with fleet_scope("write"):
        orphan = _undecided(orphan_id)
        _need_free(KeyArn.parse(orphan.arn))
        orphan.resolution = "scheduled"
        orphan.save(update_fields=["resolution"])
        if tenant := _tenant_of(orphan):
            record_event(
                tenant_id=tenant.id,
                actor=actor,
                action="orphan.scheduled",
                subject=orphan.arn,
                detail={"region": orphan.region, "days": MOST_DAYS},
            )
        enqueue_orphans(region=orphan.region)
    _log.info("orphan_scheduled", arn=orphan.arn, actor_kind=actor.kind, actor_id=actor.id)


def carry_out_decisions(*, region: str) -> int:
    """Schedule the deletion of what was decided on in that Region, whose worker this is; how many keys.

    Killed at any point it is done again: a key is scheduled once. What KMS refuses stays to be done.
    """
    with fleet_scope("latest"):
        decided = OrphanKey.objects.filter(
            region=region, resolution="scheduled", resolved_at=None
        ).order_by("found_at")
        rows = list(decided[:_AT_ONCE])
    return sum(_carry_out(row) for row in rows)


def _carry_out(orphan: OrphanKey) -> bool:
    arn = KeyArn.parse(orphan.arn)
    try:
        with fleet_scope("latest"):
            _need_free(arn)
        state = _schedule(arn)
    except (CryptoError, TenantError) as error:
        _log.warning("orphan_left", arn=orphan.arn, error=error.code)
        if isinstance(error, OrphanNotFree):  # it has found its owner: nobody has decided on that
            _resolve(orphan, resolution="gone", resolved_at=Now())
        return False
    _resolve(orphan, key_state=state, resolved_at=Now())
    return True


def _schedule(arn: KeyArn) -> str:
    """Schedule it and, before, its replicas, which a primary waits for; the state that it is in then."""
    admin = get_key_admin()
    try:
        key = admin.describe_key(arn)
    except KeyNotFound:
        return ""
    replicas = [arn.in_region(region) for region in key.replica_regions] if key.is_primary else []
    for each in [*replicas, arn]:
        if admin.describe_key(each).state not in PENDING:
            # Else a retry of the step that made it would find it. Tags of a key that waits cannot be changed.
            admin.remove_tags(arn=each, names=[OPERATION_TAG])
            admin.schedule_deletion(arn=each, days=MOST_DAYS)
    return admin.describe_key(arn).state


def _resolve(orphan: OrphanKey, **facts: object) -> None:
    with fleet_scope("write"):
        OrphanKey.objects.filter(id=orphan.id).update(**facts)


def _undecided(orphan_id: UUID) -> OrphanKey:
    found = OrphanKey.objects.select_for_update().filter(id=orphan_id, resolution="").first()
    if found is None:
        raise NotFound("No such orphan, or it is decided on.")
    return found


def _need_free(arn: KeyArn) -> None:
    """In the caller's fleet scope: nobody has the key or had it, and no data key is under it or a related one."""
    if owned_ids([arn]):
        raise OrphanNotFree("The key is a tenant's, or was one's.")
    if seals_anything(arn):
        raise OrphanNotFree("Data keys of a tenant are under this key.")


def _waiting_step(orphan: OrphanKey) -> tuple[UUID, KeyOperation]:
    arn, tenant = KeyArn.parse(orphan.arn), _tenant_of(orphan)
    if owned_ids([arn]):
        raise OrphanNotFree("The key is a tenant's, or was one's.")
    step = tenant and (
        KeyOperation.objects.select_for_update()
        .filter(
            tenant_id=tenant.id,
            kind=OperationKind.CREATE_PRIMARY_KEY,
            region=orphan.region,
            state__in=_ADOPTING,
        )
        .first()
    )
    if not tenant or not step:
        raise OrphanNotFree(
            "No step of a tenant waits for this key. It can be scheduled for deletion."
        )
    return tenant.id, step


def _tenant_of(orphan: OrphanKey) -> Tenant | None:
    """Whom the tag names, if there is such a tenant."""
    try:
        tenant_id = UUID(str(orphan.tags.get(TENANT_TAG)))
    except ValueError:
        return None
    return Tenant.objects.filter(id=tenant_id).first()
