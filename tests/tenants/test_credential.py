"""The form of a credential: a forgery is found without a query, and nothing of it is stored."""

from __future__ import annotations

import hashlib
import re

import pytest

from tenants.credential import (
    OPERATOR_PREFIX,
    TENANT_PREFIX,
    digest,
    is_well_formed,
    new_token,
    shown,
)

PREFIXES = (TENANT_PREFIX, OPERATOR_PREFIX)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_new_token_is_well_formed_for_its_own_prefix_alone(prefix: str) -> None:
    token = new_token(prefix)
    assert re.fullmatch(r"[a-z]{4}_[0-9A-Za-z]{36}", token)
    assert [other for other in PREFIXES if is_well_formed(token, other)] == [prefix]


def test_no_two_tokens_are_equal() -> None:
    assert len({new_token(TENANT_PREFIX) for _ in range(500)}) == 500


def test_every_changed_character_is_noticed() -> None:
    token = new_token(TENANT_PREFIX)
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        assert not is_well_formed(token[:place] + other + token[place + 1 :], TENANT_PREFIX), place


def test_two_swapped_neighbours_are_noticed() -> None:
    token = new_token(TENANT_PREFIX)
    for place in range(5, len(token) - 1):
        one, other = token[place], token[place + 1]
        if one != other:
            assert not is_well_formed(
                token[:place] + other + one + token[place + 2 :], TENANT_PREFIX
            )


def test_a_tenants_token_that_is_relabelled_as_an_operators_is_malformed() -> None:
    assert not is_well_formed(OPERATOR_PREFIX + new_token(TENANT_PREFIX)[4:], OPERATOR_PREFIX)


@pytest.mark.parametrize(
    "garbage", ["", "mrkg_", "mrkg", " ", "mrkg_" + "é" * 36, "mrkg_" + "0" * 36, "x" * 10_000]
)
def test_garbage_is_malformed(garbage: str) -> None:
    assert not is_well_formed(garbage, TENANT_PREFIX)


def test_a_newline_at_the_end_is_malformed() -> None:
    assert not is_well_formed(new_token(TENANT_PREFIX) + "\n", TENANT_PREFIX)


def test_the_digest_is_sha_256_and_what_is_shown_gives_away_42_bits_of_178() -> None:
    token = new_token(TENANT_PREFIX)
    assert digest(token) == hashlib.sha256(token.encode()).digest()
    assert len(shown(token)) == 12
    assert len(shown(token)) - len("mrkg_") == 7  # of 30 random characters
