"""Key material: made at random, never shown, named by an id that tells nothing of it."""

from __future__ import annotations

import secrets

from sandbox.kms.keys import Material


def new_material(now: float, *, rotation: str = "") -> Material:
    """Fresh material; `rotation` says which rotation made it, AUTOMATIC or ON_DEMAND."""
    return Material(
        id=secrets.token_hex(32),
        secret=secrets.token_bytes(32),
        created_at=now,
        rotation=rotation,
    )
