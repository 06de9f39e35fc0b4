"""Credentials of role sessions: all that they stand for is sealed in the session token, so nothing has to be kept.

A session outlives a restart of the stand-in, and the number of sessions has no bound.
"""

from __future__ import annotations

import json
import secrets
import string
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PURPOSE = b"session token"
_NONCE = 12
_DIGITS = string.ascii_uppercase + "234567"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session of a role. `policy` is its session policy, empty without one; `expires_at` is of the real time."""

    access_key: str
    secret: str = field(repr=False)
    role: str
    name: str
    tags: Mapping[str, str]
    transitive: tuple[str, ...]  # tags that sessions made from this one inherit
    policy: str
    expires_at: float


def new_access_key_id(prefix: str) -> str:
    """`AKIA` begins those of users, `ASIA` those of sessions."""
    return prefix + "".join(secrets.choice(_DIGITS) for _ in range(16))


def new_secret() -> str:
    """A secret access key: 40 characters, 240 bits."""
    return b64encode(secrets.token_bytes(30)).decode()


def sealed(session: Session, *, sealing_key: bytes) -> str:
    """The session token."""
    nonce = secrets.token_bytes(_NONCE)
    text = json.dumps(asdict(session)).encode()
    return b64encode(nonce + AESGCM(sealing_key).encrypt(nonce, text, _PURPOSE)).decode()


@lru_cache(maxsize=1024)
def opened(token: str, *, sealing_key: bytes) -> Session | None:
    """The session of a token; None for one that is not ours. Whether it has expired is for the caller to see."""
    try:
        raw = b64decode(token, validate=True)
        text = AESGCM(sealing_key).decrypt(raw[:_NONCE], raw[_NONCE:], _PURPOSE)
    except (ValueError, InvalidTag):
        return None
    plain = json.loads(text)
    return Session(**plain | {"transitive": tuple(plain["transitive"])})
