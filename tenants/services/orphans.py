"""Orphans: keys in KMS with our tag that are in no tenant's table. A killed CreateKey can leave one.

    tagged keys of a Region, page by page  ->  owned? under way? young?  ->  OrphanKey
    a person decides (`orphan_decisions`)   ->  the Region's worker carries it out

Nothing is decided here. A key belongs to somebody by its id, whatever its tags say: tags can be changed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from crypto.arn import KeyArn
from crypto.errors import CredentialsRefused, KeyAccessDenied, KeyNotFound
from tenants.kms.key_admin import KeyDescription
from tenants.models import DataKey, KeyOperation, OrphanKey, PreviousKey, RegionalKey, TenantKey
from tenants.scope import fleet_scope
from tenants.services.clients import get_key_admin
from tenants.services.deletion import PENDING
from tenants.services.keys import ENVIRONMENT_TAG, OPERATION_TAG
from tenants.states import OperationState

# A younger key may be about to be written down, and the index of tags may be late.
SETTLE: Final = timedelta(minutes=5)
# One task looks for so long; the next one goes on at its page.
_LOOK_SECONDS: Final = 20.0
_OPEN_AT_ONCE: Final = 200
_FINAL = (OperationState.DONE, OperationState.CANCELLED)
_log = structlog.get_logger(__name__)


def find_orphans(*, region: str, token: str = "") -> str:
    """Look through the tagged keys of that Region, whose worker this is, and write down those that nobody owns.

    Returns the token with which to go on where the time did not suffice, else "". At the beginning it looks again at
    those that it knows: some have found their owner. Raises KMS's errors.
    """
    until = time.monotonic() + _LOOK_SECONDS
    if not token:
        _look_again(region)
    while True:
        page = get_key_admin().get_tagged_keys(
            region=region, tag=ENVIRONMENT_TAG, value=settings.GATEWAY_ENVIRONMENT, token=token
        )
        for arn in unowned(page.keys):
            if key := _describe(arn):
                _write(key, page.keys[arn])
        token = page.next_token
        if not token or time.monotonic() > until:
            return token


def unowned(keys: Mapping[KeyArn, Mapping[str, str]]) -> list[KeyArn]:
    """Those of these keys, each with its tags, that no tenant owns and no plan is about to give to one."""
    with fleet_scope("latest"):
        owned = owned_ids(keys)
        wanted = {tags.get(OPERATION_TAG, "") for tags in keys.values()}
        under_way = _under_way(wanted)
    return [
        arn
        for arn, tags in keys.items()
        if arn.key_id not in owned and tags.get(OPERATION_TAG) not in under_way
    ]


def owned_ids(keys: Iterable[KeyArn]) -> set[str]:
    """The ids of those keys that any tenant has or had, in whatever Region; in the caller's fleet scope."""
    arns = [str(related) for arn in keys for related in related_keys(arn)]
    ids = list({arn.key_id for arn in keys})
    held: Collection[str] = TenantKey.objects.filter(key_id__in=ids).values_list(
        "key_id", flat=True
    )
    found = set(held)
    for rows in (RegionalKey.objects, PreviousKey.objects):
        named = rows.filter(arn__in=arns).values_list("arn", flat=True)
        found |= {KeyArn.parse(arn).key_id for arn in named}
    return found


def seals_anything(arn: KeyArn) -> bool:
    """Whether a data key of any tenant is under this key or a related one, in the caller's fleet scope. Every sealed
    part names its data key, so where there is none, nothing is sealed."""
    arns = [str(related) for related in related_keys(arn)]
    return DataKey.objects.filter(key_arn__in=arns).exists()


def related_keys(arn: KeyArn) -> list[KeyArn]:
    """The key in every Region where it may have a related one."""
    if not arn.key_id.startswith("mrk-"):
        return [arn]
    return [arn.in_region(region) for region in {*settings.GATEWAY_REGIONS, arn.region}]


def _under_way(operation_ids: Iterable[str]) -> set[str]:
    """Those operations that are still to end, or that belong to a plan that is: it may be about to give the key to its
    tenant. One that has failed has left its key to be decided on."""
    ids = [found for text in operation_ids if (found := _uuid(text))]
    rows = list(KeyOperation.objects.filter(id__in=ids))
    done = [row for row in rows if row.state == OperationState.DONE]
    open_plans = set(
        KeyOperation.objects.filter(
            tenant_id__in={row.tenant_id for row in done},
            plan_id__in={row.plan_id for row in done},
        )
        .exclude(state__in=_FINAL)
        .values_list("plan_id", flat=True)
    )
    ended = (*_FINAL, OperationState.FAILED)
    return {
        str(row.id)
        for row in rows
        if row.state not in ended
        or (row.state == OperationState.DONE and row.plan_id in open_plans)
    }


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _describe(arn: KeyArn) -> KeyDescription | None:
    """What KMS says of it, unless it is young, or is on its way out, or gone, or lets us know nothing."""
    try:
        key = get_key_admin().describe_key(arn)
    except KeyNotFound:
        return None
    except CredentialsRefused:
        raise
    except (
        KeyAccessDenied
    ):  # somebody else's key with a tag like ours: nothing that we could ever decide on
        _log.warning("tagged_key_denied", arn=str(arn))
        return None
    if key.state in PENDING or (key.created_at and key.created_at > timezone.now() - SETTLE):
        return None
    return key


def _write(key: KeyDescription, tags: Mapping[str, str]) -> None:
    facts = {"region": key.arn.region, "key_state": key.state, "tags": dict(tags)}
    with fleet_scope("write"):
        row, made = OrphanKey.objects.get_or_create(arn=str(key.arn), defaults=facts)
        if made:
            _log.warning("orphan_found", arn=str(key.arn))
        elif row.resolution in ("", "gone"):
            OrphanKey.objects.filter(id=row.id).update(**facts, resolution="", resolved_at=None)


def _look_again(region: str) -> None:
    """What was nobody's and is somebody's now, or is on its way out, is no orphan any more."""
    with fleet_scope("latest"):
        open_rows = OrphanKey.objects.filter(region=region, resolution="").order_by("found_at")
        rows = list(open_rows[:_OPEN_AT_ONCE])
    still = unowned({KeyArn.parse(row.arn): row.tags for row in rows})
    for row in rows:
        arn = KeyArn.parse(row.arn)
        if arn not in still or _describe(arn) is None:
            with fleet_scope("write"):
                open_rows.filter(id=row.id).update(resolution="gone", resolved_at=Now())
