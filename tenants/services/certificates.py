"""The certificate of a tenant's end: what was destroyed, when, by whose wish, and what KMS and its trail say of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from crypto.arn import KeyArn
from crypto.errors import CryptoError
from tenants.models import KeyOperation, Offboarding, PreviousKey, Tenant
from tenants.scope import tenant_scope
from tenants.services.claims import note
from tenants.services.clients import get_trail
from tenants.services.work import NotYet, Work
from tenants.states import KeyTier, OperationKind

CERTIFICATE: Final = "mrk-gateway/offboarding-certificate/v1"
# What happens to a key at its end. DeleteKey is KMS's own event, when the waiting period is over.
_EVENTS: Final = ("DisableKey", "ScheduleKeyDeletion", "DeleteKey")
# CloudTrail shows an event within 15 minutes, as a rule; after an hour the certificate goes without.
_TRIES: Final = 12
_PAUSE_SECONDS: Final = 300.0
_STATEMENTS: Final = {
    KeyTier.DEDICATED: (
        "The tenant's data keys were wrapped by these AWS KMS keys alone. AWS KMS has deleted them in every Region, so"
        " that whatever was sealed under them cannot be decrypted by anybody, in any copy or backup."
        " The rows of the database were deleted too."
    ),
    KeyTier.POOLED: (
        "The tenant shared an AWS KMS key with others, which goes on to serve them: no key of its own could be"
        " destroyed. The key policy denies every use for this tenant, and the rows of the database were deleted."
        " Copies and backups of the rows can be decrypted for as long as they exist and the key policy is changed."
    ),
    KeyTier.EXTERNAL: (
        "The tenant's AWS KMS key stands in its own AWS account: only the tenant can delete it there."
        " The rows of the database were deleted. Copies and backups of the rows can be decrypted while the key exists."
    ),
}


def certificate_of(work: Work) -> dict[str, Any]:
    """The document to be signed. `NotYet` while the trail may still show more of a deletion than it does."""
    with tenant_scope(work.tenant_id, "latest"):
        tenant = Tenant.objects.get(id=work.tenant_id)
        row = Offboarding.objects.get(
            tenant_id=work.tenant_id, id=str(work.arguments["offboarding"])
        )
        steps = list(
            KeyOperation.objects.filter(tenant_id=work.tenant_id, plan_id=work.plan_id).order_by(
                "position", "region"
            )
        )
        shared_before = PreviousKey.objects.filter(tenant_id=work.tenant_id).exclude(
            tier=KeyTier.DEDICATED
        )
        not_destroyed = sorted(shared_before.values_list("arn", flat=True))
    counts: Any = work.found["counts"]
    return {
        "type": CERTIFICATE,
        "issued_at": _time(timezone.now()),
        "issuer": {"environment": settings.GATEWAY_ENVIRONMENT, "region": settings.GATEWAY_REGION},
        "tenant": {
            "id": str(tenant.id),
            "slug": tenant.slug,
            "name": tenant.name,
            "encryption_context": {"tenant": tenant.context_id},
            "key_tier": str(work.tier),
        },
        "decision": _decision(row),
        "plan_id": str(work.plan_id),
        "keys": [*_keys(work, steps)],
        "keys_not_destroyed": not_destroyed,
        "unreadable": {
            "records": counts["record"],
            "sealed_parts": counts["sealedpart"],
            "search_tokens": counts["blindindexentry"],
            "data_keys": counts["datakey"],
            "collections": counts["collection"],
        },
        "rows_deleted": True,
        "statement": _STATEMENTS[work.tier],
    }


def _decision(row: Offboarding) -> dict[str, Any]:
    return {
        "reason": row.reason,
        "requested_by": row.requested_by,
        "requested_at": _time(row.requested_at),
        "approved_by": row.approved_by,
        "approved_at": _time(row.approved_at),
        "waiting_days": row.waiting_days,
        "export_sha256": row.export_digest or None,
        "export_waived": row.export_waived,
    }


def _keys(work: Work, steps: list[KeyOperation]) -> Iterator[dict[str, Any]]:
    """Each key that KMS has deleted, Region by Region. One that was planned and never made is none."""
    for awaited in steps:
        if awaited.kind != OperationKind.AWAIT_DELETED or not awaited.result.get("arn"):
            continue
        arn = KeyArn.parse(str(awaited.result["arn"]))
        scheduled = _step_about(steps, OperationKind.SCHEDULE_DELETION, str(arn))
        was_there = scheduled is not None and bool(scheduled.result.get("key_state"))
        events = _events(work, arn, wanted=was_there)
        if not (was_there or events):
            continue
        yield {
            "key_id": arn.key_id,
            "arn": str(arn),
            "region": arn.region,
            "is_primary": arn.region == work.primary_region,
            "scheduled_at": _time(scheduled.finished_at if scheduled else None),
            "seen_gone_at": _time(awaited.finished_at),
            "kms_answers": "NotFoundException",
            "kms_events": events,
        }


def _step_about(steps: list[KeyOperation], kind: OperationKind, arn: str) -> KeyOperation | None:
    return next(
        (step for step in steps if step.kind == kind and step.result.get("arn") == arn), None
    )


def _events(work: Work, arn: KeyArn, *, wanted: bool) -> list[dict[str, Any]]:
    """What the trail has of the key's end, oldest first; empty where the trail cannot be read."""
    try:
        found = [*get_trail().events_of(arn, names=_EVENTS)]
    except CryptoError:
        found = []
    tries = int(str(work.found.get("trail_tries", 0)))
    if wanted and tries < _TRIES and not any(event.name == "DeleteKey" for event in found):
        note(work, trail_tries=tries + 1)
        raise NotYet(_PAUSE_SECONDS)
    found.reverse()  # the trail has the newest first; of two at the same second the order stays
    return [
        {
            "name": event.name,
            "at": _time(event.at),
            "event_id": event.id,
            "request_id": event.request_id,
            "by": event.by,
        }
        for event in sorted(found, key=lambda event: event.at)
        if not event.error
    ]


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None
