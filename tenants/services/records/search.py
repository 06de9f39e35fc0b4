"""Finds records by conditions on their fields: sealed ones by search tokens, clear ones by comparison."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID

from tenants.errors import InputInvalid
from tenants.schema.conditions import Condition, SearchCondition, read_conditions
from tenants.scope import reads, tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import find_collection
from tenants.selectors.search import Criterion, fetch_found
from tenants.services.records.limits import check_limit
from tenants.services.records.reading import check_reader, open_record
from tenants.services.records.views import RecordPage, RecordView
from tenants.services.sealing import Sealing
from tenants.states import ApiScope


@reads
def search_records(
    *,
    caller: Caller,
    collection: str,
    where: Sequence[SearchCondition],
    limit: int,
    after: str | None = None,
) -> RecordPage:
    """At most `limit` (1 to 500) records that meet all conditions, oldest first, those behind `after`.

    One condition at least is `eq` or `in` on a searchable field, where equal means by its normaliser. The cost of one
    call is bounded, in records that are looked at (2,000) and in bytes that are answered (8 MiB): a page may have fewer
    records than there are, even none, while its `next` is not None.

    The API key needs both `records:search` and `records:read`, since whole records are answered. Raises `InputInvalid`
    with every problem of the conditions, and what reading raises.
    """
    caller.need(ApiScope.RECORDS_SEARCH)
    check_reader(caller)
    check_limit(limit)
    place = _place(after)
    target = find_collection(caller.tenant_id, collection)
    conditions = read_conditions(target.schema, where)
    sealing = Sealing(caller, target)
    criteria = [_criterion(sealing, condition) for condition in conditions]
    with tenant_scope(caller.tenant_id, "read"):
        found = fetch_found(caller.tenant_id, target.id, criteria, after=place, limit=limit)
    opened = [open_record(sealing, target, record) for record in found.records]
    indexed = [condition for condition in conditions if condition.is_indexed]
    records = [record for record in opened if _fits(record, indexed)]
    return RecordPage(records, _cursor(found.next))


def _criterion(sealing: Sealing, condition: Condition) -> Criterion:
    name = condition.field.name
    return Criterion(
        condition, tuple(sealing.token(name, text) for text in sorted(condition.texts))
    )


def _fits(record: RecordView, conditions: Sequence[Condition]) -> bool:
    """A token is truncated, so that two values may share one; and an entry may have been tampered with."""
    return all(each.holds(record.fields.get(each.field.name)) for each in conditions)


def _cursor(place: UUID | None) -> str | None:
    return urlsafe_b64encode(place.bytes).decode().rstrip("=") if place else None


def _place(cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    try:
        place = UUID(bytes=urlsafe_b64decode(f"{cursor}=="))
    except ValueError:
        place = None
    if _cursor(place) != cursor:
        raise InputInvalid("The page cannot begin there.", [("/after", "must be a page's next")])
    return place
