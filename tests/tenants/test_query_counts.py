"""How many queries each use of records takes, in numbers: the same for 1, 10 and 100 records.

A number that changes is no fault in itself; it is changed here, where a reviewer sees it. Opening and closing a
transaction, which Django shows as BEGIN and COMMIT, counts as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tenants.selectors import Caller
from tenants.services.records import (
    RecordFault,
    RecordInput,
    RecordPut,
    SearchCondition,
    create_record,
    create_records,
    delete_record,
    list_records,
    put_records,
    read_records,
    search_records,
    update_record,
)
from tests.callers import queries
from tests.tenants.stored import ANN

SIZES = (1, 10, 100)
Use = Callable[[Caller, str, int], Any]


def ids(size: int) -> list[str]:
    return [f"r{size}-{number}" for number in range(size)]


def fields(record_id: str) -> dict[str, Any]:
    return {**ANN, "email": f"{record_id}@x.org", "city": record_id.partition("-")[0]}


def create(caller: Caller, collection: str, size: int) -> Any:
    records = [RecordInput(each, fields(each)) for each in ids(size)]
    return create_records(caller=caller, collection=collection, records=records)


def put(caller: Caller, collection: str, size: int) -> Any:
    records = [RecordPut(each, fields(each)) for each in ids(size)]
    return put_records(caller=caller, collection=collection, records=records)


def read(caller: Caller, collection: str, size: int) -> Any:
    return read_records(caller=caller, collection=collection, record_ids=ids(size))


def list_page(caller: Caller, collection: str, size: int) -> Any:
    return list_records(caller=caller, collection=collection, after=None, limit=size).records


def search(*conditions: tuple[str, str, Any]) -> Use:
    """Conditions may hold `{}`, which is the city of that many records."""

    def run(caller: Caller, collection: str, size: int) -> Any:
        where = [
            SearchCondition(name, op, value.format(f"r{size}") if isinstance(value, str) else value)
            for name, op, value in conditions
        ]
        page = search_records(caller=caller, collection=collection, where=where, limit=size)
        assert len(page.records) == size
        return page.records

    return run


CITY = ("city", "eq", "{}")
SSN = ("ssn", "eq", "078051120")
COUNTS: dict[str, tuple[Use, int]] = {
    "create": (create, 7),
    "put new": (put, 12),
    "read": (read, 5),
    "list": (list_page, 5),
    "search": (search(CITY), 5),
    "search by several fields": (search(CITY, SSN, ("score", "gte", 1)), 6),
}
MADE_BEFORE = {"put over": (put, 15)}


@pytest.mark.parametrize("name", COUNTS)
def test_the_number_of_queries_does_not_depend_on_the_number_of_records(
    acme: Caller, collection: str, name: str
) -> None:
    use, expected = COUNTS[name]
    warm_up(acme, collection)
    counts = []
    for size in SIZES:
        if use not in (create, put):
            create(acme, collection, size)
        counts.append(counted(use, acme, collection, size))
    assert counts == [expected] * 3


@pytest.mark.parametrize("name", MADE_BEFORE)
def test_nor_where_records_are_replaced(acme: Caller, collection: str, name: str) -> None:
    use, expected = MADE_BEFORE[name]
    warm_up(acme, collection)
    for size in SIZES:
        create(acme, collection, size)
        assert counted(use, acme, collection, size) == expected


def test_a_change_and_a_deletion_take_so_many(acme: Caller, collection: str) -> None:
    record = RecordInput("ann", ANN)
    create_record(caller=acme, collection=collection, record=record)
    one: dict[str, Any] = {"caller": acme, "collection": collection, "record_id": "ann"}
    with queries() as changing:
        update_record(**one, fields={"ssn": "1", "card": None, "city": "Rome"})
    with queries() as deleting:
        delete_record(**one)
    assert (len(changing), len(deleting)) == (14, 6)


def warm_up(caller: Caller, collection: str) -> None:
    """Data keys and search index keys are in the cache after this."""
    record = RecordInput("warm", ANN)
    create_record(caller=caller, collection=collection, record=record)


def counted(use: Use, caller: Caller, collection: str, size: int) -> int:
    with queries() as sent:
        results = use(caller, collection, size)
    assert len(results) == size
    assert not any(isinstance(result, RecordFault) for result in results)
    return len(sent)
