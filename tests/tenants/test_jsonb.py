"""Numbers survive jsonb: PostgreSQL itself is the judge."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.db import connections
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.schema.jsonb import from_jsonb, to_jsonb

NUMBERS = [
    *(0, -1, 2**63 - 1, -(2**63)),
    *(0.1, -0.0, 1.0, 1e15, 1e16, 5.819949773821223e16, -1e17, 1e22, 1e-7),
    *(1.7976931348623157e308, 5e-324),
]


def through_postgresql(fields: dict[str, Any]) -> dict[str, Any]:
    with connections["local"].cursor() as cursor:
        cursor.execute("select %s::jsonb::text", [to_jsonb(fields)])
        return from_jsonb(cursor.fetchone()[0])


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_comes_back_as_it_was(number: float) -> None:
    fields = {"x": number, "y": [number, {"z": number}]}
    found = through_postgresql(fields)
    assert found == fields
    assert type(found["x"]) is type(number)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1))
@settings(max_examples=200, deadline=None)
def test_any_number_comes_back_as_it_was(number: float) -> None:
    found = through_postgresql({"x": number})["x"]
    assert found == number
    assert math.copysign(1, found) == math.copysign(1, number) or number == 0


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError):
        from_jsonb("[]")
