"""Finds stored records by conditions: one statement of bounded cost, whatever the size of the collection.

A statement begins with the records of some search tokens, in the order of their creation, and looks at so many of them
and no more. A page may thus have fewer records than it could, even none; what was not looked at comes with the next.
Statements are put together from the constants below alone: names and values of the caller are parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from tenants.schema.conditions import Condition
from tenants.schema.jsonb import to_jsonb_value
from tenants.selectors.records import MAX_ANSWER_BYTES, SELECT_RECORDS, StoredRecord, stored_record
from tenants.statements import run_statement

MAX_EXAMINED: Final = 2_000
_START = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A condition with its search tokens, where it goes by them."""

    condition: Condition
    tokens: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Records, and where the next page goes on; None when there is nothing behind them."""

    records: list[StoredRecord]
    next: UUID | None


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    parameters: dict[str, Any] = dataclasses.field(repr=False)


# How often the tokens of each condition occur, counted up to a limit.
_COUNT = """
    select w.number, sum(c.records)
    from unnest(%(numbers)b::int[], %(fields)b::text[], %(tokens)b::bytea[]) as w (number, field, token), lateral (
        select count(*) as records from (
            select 1 from tenants_blindindexentry e
            where e.tenant_id = %(tenant)b and e.collection_id = %(collection)b
              and e.field = w.field and e.token = w.token
            limit %(most)b::bigint
        ) e
    ) c group by w.number order by 2, 1
"""
# `any(array(...))`: the rows are fetched by their primary key, however many the planner thinks there are.
_FIND = """
    with candidate as materialized (
        select t.record from unnest(%(tokens)b::bytea[]) as w (token), lateral (
            select e.record from tenants_blindindexentry e
            where e.tenant_id = %(tenant)b and e.collection_id = %(collection)b
              and e.field = %(field)b::text and e.token = w.token and e.record > %(after)b
            order by e.record limit %(window)b::bigint
        ) t order by t.record limit %(window)b::bigint
    ),
    found as materialized (select r.id from {found} order by r.id limit %(limit)b::bigint)
    select edge.examined, edge.last, f.*
    from (
        select count(*) as examined, (select c.record from candidate c order by c.record desc limit 1) as last
        from candidate
    ) edge left join ({records}) f on true order by f.id
"""
_RECORDS = SELECT_RECORDS.format(order="id", which="id = any(array(select id from found))")
_ALL = "(select c.record as id from candidate c) r"
_SOME = """tenants_record r
        where r.tenant_id = %(tenant)b and r.id = any(array(select c.record from candidate c)) and {conditions}"""
_HAS_ENTRY = """exists (
            select 1 from tenants_blindindexentry x where x.tenant_id = %(tenant)b and x.record = r.id
              and x.field = %(name{n})b::text and x.token = any(%(value{n})b::bytea[]))"""
# A field without a value has none that differs.
_HAS_OTHER_ENTRY = "(r.clear ? %(name{n})b::text and not " + _HAS_ENTRY + ")"
_COMPARED = {
    "eq": "{left} = {right}",
    "ne": "{left} <> {right}",
    "lt": "{left} < {right}",
    "lte": "{left} <= {right}",
    "gt": "{left} > {right}",
    "gte": "{left} >= {right}",
    "in": "{left} = any(%(value{n})b::{type}[])",
    "prefix": "starts_with(r.clear ->> %(name{n})b::text, %(value{n})b::text)",
    "is_null": "(r.clear ? %(name{n})b::text) <> %(value{n})b::boolean",
}
# By the order of code points, which for dates is that of the calendar. jsonb compares numbers exactly.
_TEXT = ('(r.clear ->> %(name{n})b::text) collate "C"', "text")
_JSON = ("(r.clear -> %(name{n})b::text)", "jsonb")
_TIME = ("(r.clear ->> %(name{n})b::text)::timestamptz", "timestamptz")
_SIDES: Final = {
    "string": _TEXT,
    "date": _TEXT,
    "datetime": _TIME,
    "integer": _JSON,
    "number": _JSON,
    "boolean": _JSON,
    "json": _JSON,
}


def fetch_found(
    tenant_id: UUID,
    collection_id: UUID,
    criteria: Sequence[Criterion],
    *,
    after: UUID | None,
    limit: int,
) -> Found:
    """At most `limit` records that meet all criteria, oldest first, those behind `after`. At least one is indexed."""
    where = {"tenant": tenant_id, "collection": collection_id}
    indexed = [each for each in criteria if each.condition.is_indexed]
    first = indexed[0] if len(indexed) == 1 else _rarest(indexed, where)
    others = [each for each in criteria if each is not first]
    statement = _statement(others)
    parameters = where | statement.parameters
    parameters |= {
        "field": first.condition.field.name,
        "tokens": list(first.tokens),
        "after": after or _START,
        "window": MAX_EXAMINED if others else limit + 1,
        "limit": limit + 1,
        "most": MAX_ANSWER_BYTES,
    }
    rows = run_statement(statement.sql, parameters)
    return _found(rows, limit, window=parameters["window"])


def _rarest(criteria: Sequence[Criterion], where: dict[str, Any]) -> Criterion:
    """The one to begin with: the others are then looked up for its few records, and not it for their many."""
    flat = [
        (number, each.condition.field.name, token)
        for number, each in enumerate(criteria)
        for token in each.tokens
    ]
    numbers, fields, tokens = zip(*flat, strict=True)
    parameters = {"numbers": list(numbers), "fields": list(fields), "tokens": list(tokens)}
    rows = run_statement(_COUNT, where | parameters | {"most": MAX_EXAMINED})
    return criteria[int(rows[0][0])]


def _statement(criteria: Sequence[Criterion]) -> _Statement:
    if not criteria:
        return _Statement(_FIND.format(found=_ALL, records=_RECORDS), {})
    conditions, parameters = [], {}
    for number, criterion in enumerate(criteria):
        conditions.append(_sql(criterion, number))
        parameters[f"name{number}"] = criterion.condition.field.name
        parameters[f"value{number}"] = _value(criterion)
    found = _SOME.format(conditions=" and ".join(conditions))
    return _Statement(_FIND.format(found=found, records=_RECORDS), parameters)


def _sql(criterion: Criterion, number: int) -> str:
    condition = criterion.condition
    if criterion.tokens:
        return (_HAS_OTHER_ENTRY if condition.op == "ne" else _HAS_ENTRY).format(n=number)
    left, kind = _SIDES[condition.field.type]
    return _COMPARED[condition.op].format(
        left=left.format(n=number), right=f"%(value{number})b::{kind}", type=kind, n=number
    )


def _value(criterion: Criterion) -> Any:
    condition = criterion.condition
    if criterion.tokens:
        return list(criterion.tokens)
    if condition.op == "is_null":
        return condition.values[0]
    _, kind = _SIDES[condition.field.type]
    values = [to_jsonb_value(v) if kind == "jsonb" else v for v in condition.values]
    return values if condition.op == "in" else values[0]


def _found(rows: list[tuple[Any, ...]], limit: int, *, window: int) -> Found:
    examined, last = rows[0][:2]
    columns = [row[2:] for row in rows if row[2] is not None]
    fitting = list(_fitting(columns))
    records = fitting[:limit]
    if len(columns) > len(records):
        return Found(records, records[-1].id)
    return Found(records, last if examined == window else None)


def _fitting(rows: list[tuple[Any, ...]]) -> Iterator[StoredRecord]:
    for row in rows:
        record = stored_record(row)
        if record is None:
            return  # the answer is full
        yield record
