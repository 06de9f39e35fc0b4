"""What the search index of one field tells whoever reads the database, in numbers and in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from crypto.blind_index import TOKEN_LENGTH


class Leakage(NamedTuple):
    """`collisions` is estimated, everything else counted."""

    records: int
    tokens: int
    alone: int  # records whose token no other record bears
    largest: int  # records that bear the commonest token
    collisions: float  # values that share a token with another value by chance

    def __str__(self) -> str:
        return (
            f"{self.records} records bear {self.tokens} different tokens. A reader of the database sees that "
            f"{self.records - self.alone} of them share their value with others, and that the commonest value stands "
            f"in {self.largest}. About {self.collisions:.1f} values share a token by chance alone."
        )


def leakage(sharing: Mapping[int, int], *, length: int = TOKEN_LENGTH) -> Leakage:
    """From how many tokens are borne by how many records: `{1: 940, 2: 30}` is 940 tokens of one record, 30 of two.

    `length` is that of the tokens in bytes. Of `t` tokens among `n` possible ones about `t * t / 2n` values hide behind
    the token of another (birthday bound).
    """
    tokens = sum(sharing.values())
    return Leakage(
        records=sum(records * count for records, count in sharing.items()),
        tokens=tokens,
        alone=sharing.get(1, 0),
        largest=max(sharing, default=0),
        collisions=tokens * tokens / 2 ** (8 * length + 1),
    )
