"""Key material: made at random or imported, never shown, named by an id that tells nothing of it."""

from __future__ import annotations

import hmac
import secrets

from sandbox.kms.keys import Material


def new_material(now: float, *, size: int = 32, rotation: str = "") -> Material:
    """Fresh material of `size` bytes; `rotation` says which rotation made it, AUTOMATIC or ON_DEMAND."""
    return Material(
        id=secrets.token_hex(32),
        secret=secrets.token_bytes(size),
        created_at=now,
        rotation=rotation,
    )


def imported_id(key_id: str, secret: bytes, *, sealing_key: bytes) -> str:
    """The id of imported material: the same for the same material in the same key, so that it is known again.

    Keyed, since imported material may be guessable and its id is shown to whoever lists rotations.
    """
    return hmac.digest(sealing_key, key_id.encode() + secret, "sha256").hex()
