"""Which key states an operation admits, and what AWS says otherwise.

Source: AWS KMS Developer Guide, "Key states of AWS KMS keys" (the table and its notes).
"""

from __future__ import annotations

from collections.abc import Collection

from sandbox.kms.errors import disabled, invalid_state
from sandbox.kms.keys import KeyState, RegionalKey

USABLE = frozenset({KeyState.ENABLED, KeyState.UPDATING})
SETTLED = frozenset({KeyState.ENABLED})
# A key that is being made, or has no material, can be managed, though not used.
MANAGEABLE = frozenset(
    {
        *(KeyState.ENABLED, KeyState.DISABLED, KeyState.CREATING),
        *(KeyState.UPDATING, KeyState.PENDING_IMPORT),
    }
)
# Imported material is given to a key that lacks it, and given anew to one that has it.
IMPORTABLE = frozenset({KeyState.PENDING_IMPORT, KeyState.ENABLED, KeyState.DISABLED})
PENDING = frozenset({KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION})

_TEXTS = {
    KeyState.CREATING: "pending creation",
    KeyState.UPDATING: "updating",
    KeyState.PENDING_IMPORT: "pending import",
    KeyState.PENDING_DELETION: "pending deletion",
    KeyState.PENDING_REPLICA_DELETION: "pending replica deletion",
}


def require_state(key: RegionalKey, admitted: Collection[KeyState], now: float) -> None:
    """Refuse unless the key is in one of the admitted states."""
    state = key.state(now)
    if state in admitted:
        return
    if admitted is PENDING:
        raise invalid_state(key.arn, "not pending deletion")
    if state is KeyState.DISABLED:
        raise disabled(key.arn)
    raise invalid_state(key.arn, _TEXTS[state])
