"""Search tokens: equal for equal values, unlike everything else, and never longer than asked."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.blind_index import INDEX_VERSION, IndexKey, UnknownNormaliser, normalise, token

KEY = IndexKey.derive(bytes(32))


def test_a_token_depends_on_key_collection_field_and_value() -> None:
    base = token(KEY, collection="people", field="email", value="a@b.c")
    assert base == token(KEY, collection="people", field="email", value="a@b.c")
    others = [
        token(IndexKey.derive(b"x" * 32), collection="people", field="email", value="a@b.c"),
        token(KEY, collection="peopl", field="eemail", value="a@b.c"),
        token(KEY, collection="people", field="emaila", value="@b.c"),
        token(KEY, collection="people", field="email", value="a@b.d"),
    ]
    assert base not in others
    assert len(set(others)) == len(others)


def test_keys_of_two_versions_are_unrelated() -> None:
    keys = {IndexKey.derive(bytes(32), version).secret for version in (1, 2, 3)}
    assert len(keys) == 3
    assert IndexKey.derive(bytes(32)) == IndexKey.derive(bytes(32), INDEX_VERSION)
    assert all(len(key) == 32 for key in keys)


def test_a_short_token_is_the_start_of_a_long_one() -> None:
    long = token(KEY, collection="c", field="f", value="v", length=32)
    assert token(KEY, collection="c", field="f", value="v", length=4) == long[:4]
    for length in (0, 3, 33):
        with pytest.raises(ValueError, match="4 to 32"):
            token(KEY, collection="c", field="f", value="v", length=length)


@pytest.mark.parametrize(
    ("normaliser", "one", "other"),
    [
        ("casefold", "STRASSE", "straße"),
        ("casefold", "  Ada ", "ada"),
        ("email", "Ada@Example.com", "ada@example.com"),
        ("digits", "+49 (0)30 1234-5", "4903012345"),
        ("digits", "٤٢", "42"),
        ("exact", "e\u0301", "é"),
    ],
)
def test_values_that_count_as_equal(normaliser: str, one: str, other: str) -> None:
    assert normalise(one, normaliser) == normalise(other, normaliser)


def test_exact_keeps_case_and_spaces() -> None:
    assert normalise("Ada ", "exact") != normalise("ada", "exact")


@given(st.text(max_size=60), st.sampled_from(["exact", "casefold", "digits", "email"]))
def test_normalising_twice_changes_nothing(value: str, normaliser: str) -> None:
    once = normalise(value, normaliser)
    assert normalise(once, normaliser) == once


def test_an_unknown_normaliser_is_an_error() -> None:
    with pytest.raises(
        UnknownNormaliser, match="soundex is none of exact, casefold, digits, email"
    ):
        normalise("x", "soundex")


def test_an_index_key_shows_in_no_repr_and_no_pickle() -> None:
    assert repr(KEY) == "IndexKey()"
    with pytest.raises(TypeError):
        pickle.dumps(KEY)
