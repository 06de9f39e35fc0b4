"""Finds records by the equality of one searchable field."""

from __future__ import annotations

from crypto.part import JsonValue
from tenants.errors import AnswerFull, InputInvalid
from tenants.schema import Field
from tenants.schema.values import RuleBroken
from tenants.scope import tenant_scope
from tenants.selectors import Caller
from tenants.selectors.collections import StoredCollection, load_collection
from tenants.selectors.records import fetch_by_token
from tenants.services.records.limits import check_limit
from tenants.services.records.reading import check_reader, open_record
from tenants.services.records.views import RecordView
from tenants.services.sealing import Sealing
from tenants.states import ApiScope


def search_records(
    *, caller: Caller, collection: str, field: str, value: JsonValue, limit: int
) -> list[RecordView]:
    """At most `limit` (1 to 500) records whose field equals the value by the field's normaliser, oldest first.

    The API key needs both `records:search` and `records:read`, since whole records are answered. Raises `InputInvalid`
    where the field is not searchable or the value is not of its type, `AnswerFull` beyond 8 MiB, and what reading
    raises.
    """
    caller.need(ApiScope.RECORDS_SEARCH)
    check_reader(caller)
    check_limit(limit)
    with tenant_scope(caller.tenant_id, "read"):
        target = load_collection(caller.tenant_id, collection)
    wanted = _searchable(target, field)
    text = _text(wanted, value)
    sealing = Sealing(caller, target)
    token = sealing.token(field, text)
    with tenant_scope(caller.tenant_id, "read"):
        fetched = fetch_by_token(caller.tenant_id, target.id, field, token, limit)
    if fetched.left_off:
        raise AnswerFull("More is found than one answer takes: ask for fewer records.")
    opened = [open_record(sealing, target, candidate) for candidate in fetched.records]
    # A token is truncated, so that two values may share one; and an entry may have been tampered with.
    return [record for record in opened if wanted.search_text(record.fields.get(field, "")) == text]


def _searchable(target: StoredCollection, name: str) -> Field:
    field = target.schema.fields.get(name)
    if field is None or not field.searchable:
        rule = "must be a searchable field of this collection"
        raise InputInvalid("This field cannot be searched.", [("/field", rule)])
    return field


def _text(field: Field, value: JsonValue) -> str:
    try:
        field.check(value)
    except RuleBroken as broken:
        raise InputInvalid("The value cannot be searched for.", [("/value", str(broken))]) from None
    if not (text := field.search_text(value)):
        rule = f"must have something left after the normaliser {field.normaliser}"
        raise InputInvalid("The value cannot be searched for.", [("/value", rule)])
    return text
