"""Equality search over sealed fields: tokens that are equal when the normalised values are.

A token is a truncated HMAC-SHA256 under a key of the tenant. It tells whoever reads the database which records of
that tenant share a value of that field, and nothing between fields, collections or tenants. The shorter the token,
the more values share one by chance, which hides a little and makes search decrypt a few candidates in vain.
"""

from __future__ import annotations

import hmac
import struct
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from crypto.errors import CryptoError

TOKEN_LENGTH: Final = 16
INDEX_VERSION: Final = 1  # of normalisers and tokens: where either changes, so does the key


class UnknownNormaliser(CryptoError, ValueError, code="unknown_normaliser"):
    """A collection's schema names a normaliser that there is not."""


@dataclass(frozen=True, slots=True)
class IndexKey:
    """The key of one tenant's tokens for one classification and version; the same in all Regions."""

    secret: bytes = field(repr=False)

    @classmethod
    def derive(cls, data_key: bytes, version: int = INDEX_VERSION) -> IndexKey:
        """From a data key of purpose `index`: HKDF-SHA512 (RFC 5869), so that no key serves two algorithms.

        Keys of two versions are unrelated: while a field is indexed anew, search asks for the tokens of both.
        """
        pseudo_random_key = hmac.digest(bytes(64), data_key, "sha512")
        info = b"mrk-gateway blind index v%d\x01" % version  # and the counter of the first block
        return cls(hmac.digest(pseudo_random_key, info, "sha512")[:32])

    def __reduce__(self) -> str:
        raise TypeError("An index key cannot be pickled.")


def _casefold(value: str) -> str:
    # Folding may undo the normal form (Unicode, section 3.13, D145): normalise on both sides of it.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold()).strip()


NORMALISERS: Final[dict[str, Callable[[str], str]]] = {
    "exact": lambda value: unicodedata.normalize("NFC", value),
    "casefold": _casefold,
    "digits": lambda value: "".join(str(unicodedata.digit(c)) for c in value if c.isdigit()),
    # The part before @ could legally differ by case (RFC 5321, 2.4); no provider of note lets it.
    "email": _casefold,
}


def normalise(value: str, normaliser: str) -> str:
    """The form under which values count as equal. Raises `UnknownNormaliser`."""
    if normaliser not in NORMALISERS:
        raise UnknownNormaliser(f"{normaliser} is none of {', '.join(NORMALISERS)}.")
    return NORMALISERS[normaliser](value)


def token(
    index_key: IndexKey, *, collection: str, field: str, value: str, length: int = TOKEN_LENGTH
) -> bytes:
    """The token of one normalised value: `length` bytes, 4 to 32.

    Collection, field and value are length-prefixed, so that no two triples have the same bytes.
    """
    if not 4 <= length <= 32:
        raise ValueError("A token has 4 to 32 bytes.")
    parts = (collection.encode(), field.encode(), value.encode())
    message = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return hmac.digest(index_key.secret, message, "sha256")[:length]
