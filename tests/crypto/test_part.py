"""A sealed part's plaintext opens for its own place only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import DecryptionFailed
from crypto.part import Binding, JsonValue, decode_part, encode_part

HERE = Binding("people", "p-1", 3)
FIELDS: dict[str, JsonValue] = {
    "email": "ada@example.com",
    "born": "1815-12-10",
    "n": 7,
    "none": None,
}


def test_a_part_opens_in_its_place() -> None:
    assert decode_part(encode_part(FIELDS, HERE), HERE) == FIELDS


def test_the_bytes_are_canonical() -> None:
    assert (
        encode_part({"b": 1, "a": "ü"}, HERE)
        == '{"c":"people","f":{"a":"ü","b":1},"r":"p-1","v":3}'.encode()
    )


@pytest.mark.parametrize(
    "place",
    [Binding("peoples", "p-1", 3), Binding("people", "p-2", 3), Binding("people", "p-1", 2)],
)
def test_a_part_of_another_collection_record_or_version_fails(place: Binding) -> None:
    with pytest.raises(DecryptionFailed):
        decode_part(encode_part(FIELDS, HERE), place)


def test_true_is_not_version_one() -> None:
    forged = encode_part(FIELDS, HERE).replace(b'"v":3', b'"v":true')
    with pytest.raises(DecryptionFailed):
        decode_part(forged, Binding("people", "p-1", 1))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'"x"',
        b'{"c":1}',
        b"\xff",
        b'{"c":"people","f":[],"r":"p-1","v":3}',
    ],
)
def test_anything_but_a_part_fails(text: bytes) -> None:
    with pytest.raises(DecryptionFailed):
        decode_part(text, HERE)


@given(
    st.dictionaries(
        st.text(max_size=20), st.text(max_size=50) | st.integers(-(2**63), 2**63 - 1), max_size=6
    )
)
def test_values_come_back_as_they_went_in(fields: dict[str, str | int]) -> None:
    assert decode_part(encode_part(fields, HERE), HERE) == fields
