"""The form of bearer credentials: prefix, 178 random bits, and a checksum that finds typing errors without a query.

`mrkg_` + 30 base62 characters + 6 base62 characters of CRC32, the form that GitHub uses for its tokens: secret
scanners find it, and one regular expression with a checksum has next to no false alarms.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

TENANT_PREFIX = "mrkg"
OPERATOR_PREFIX = "mrko"

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 30
_CHECKSUM_LENGTH = 6
_FORM = re.compile(
    rf"([a-z]{{4}})_([0-9A-Za-z]{{{_RANDOM_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)


def new_token(prefix: str) -> str:
    """A fresh credential. It is shown once and stored nowhere: keep its `digest`."""
    random = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return f"{prefix}_{random}{_checksum(prefix, random)}"


def is_well_formed(token: str, prefix: str) -> bool:
    """Whether it is of this kind and its checksum fits. Says nothing of whether anyone issued it."""
    found = _FORM.fullmatch(token)
    return found is not None and found[1] == prefix and found[3] == _checksum(prefix, found[2])


def digest(token: str) -> bytes:
    """SHA-256, what is stored and looked up: 178 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def shown(token: str) -> str:
    """The first 12 characters, by which people tell their keys apart: 42 of the 178 random bits."""
    return token[:12]


def _checksum(prefix: str, random: str) -> str:
    # The prefix is under the checksum: a tenant's key relabelled as an operator's is malformed, not just unknown.
    rest = zlib.crc32(f"{prefix}_{random}".encode())
    characters = ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, index = divmod(rest, len(_ALPHABET))
        characters = _ALPHABET[index] + characters
    return characters
