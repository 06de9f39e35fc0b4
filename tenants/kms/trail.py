"""The trail: what CloudTrail has recorded of a key in one Region, looked up by the key's ARN.

On AWS an event shows some minutes after the call, as a rule within 15, and for 90 days (CloudTrail User Guide, "Viewing
event history"). What is not in it yet may still have happened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from crypto.arn import KeyArn
from crypto.kms.clients import KmsClients
from crypto.kms.translate import translated

if TYPE_CHECKING:
    from types_boto3_cloudtrail.type_defs import EventTypeDef

# A page has 50 events, and LookupEvents answers twice a second for the whole account and Region.
_MOST_EVENTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class TrailEvent:
    """One call, or what KMS did on its own. `error` is empty for a call that was served, `by` the role's ARN, and
    `tenant` the tenant of the encryption context where there is one. Times are whole seconds."""

    id: str
    request_id: str
    name: str
    at: datetime
    error: str
    by: str
    tenant: str


class Trail:
    """Reads the trail with the admin role."""

    def __init__(self, clients: KmsClients) -> None:
        self._clients = clients

    def events_of(self, arn: KeyArn, *, names: Collection[str]) -> Iterator[TrailEvent]:
        """The key's events of these names, newest first, among the newest thousand of all. Raises KMS's errors."""
        for found in self._newest(arn):
            if found.get("EventName") in names:
                yield _event(found)

    def find_last_decrypt(self, arn: KeyArn, *, tenant: str) -> TrailEvent | None:
        """The newest Decrypt that was served under the key for this tenant, if the trail has one."""
        served = (
            event
            for event in self.events_of(arn, names=("Decrypt",))
            if not event.error and event.tenant == tenant
        )
        return next(served, None)

    def _newest(self, arn: KeyArn) -> Iterator[EventTypeDef]:
        with translated("cloudtrail:LookupEvents", arn.region):
            paginator = self._clients.trail(arn.region).get_paginator("lookup_events")
            pages = paginator.paginate(
                LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": str(arn)}]
            )
            yield from islice((event for page in pages for event in page["Events"]), _MOST_EVENTS)


def _event(found: EventTypeDef) -> TrailEvent:
    told: dict[str, Any] = orjson.loads(found.get("CloudTrailEvent", "{}"))
    identity = told.get("userIdentity") or {}
    context = (told.get("requestParameters") or {}).get("encryptionContext") or {}
    return TrailEvent(
        id=found.get("EventId", ""),
        request_id=told.get("requestID", ""),
        name=found.get("EventName", ""),
        at=found["EventTime"],
        error=told.get("errorCode", ""),
        by=identity.get("arn") or identity.get("invokedBy", ""),
        tenant=context.get("tenant", ""),
    )
