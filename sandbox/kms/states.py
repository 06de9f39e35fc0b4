"""Which key states an operation admits, and what AWS says otherwise.

Source: AWS KMS Developer Guide, "Key states of AWS KMS keys" (the table and its notes).
"""

from __future__ import annotations

from collections.abc import Collection

from sandbox.kms.errors import disabled, invalid_state
from sandbox.kms.keys import KeyState, RegionalKey

USABLE = frozenset({KeyState.ENABLED, KeyState.UPDATING})
SETTLED = frozenset({KeyState.ENABLED})
# A key that is being made can be managed, though not used.
MANAGEABLE = frozenset({KeyState.ENABLED, KeyState.DISABLED, KeyState.CREATING, KeyState.UPDATING})
PENDING = frozenset({KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION})

_TEXTS = {
    KeyState.CREATING: "pending creation",
    KeyState.UPDATING: "updating",
    KeyState.PENDING_DELETION: "pending deletion",
    KeyState.PENDING_REPLICA_DELETION: "pending replica deletion",
    KeyState.ENABLED: "not pending deletion",
}


def require_state(key: RegionalKey, admitted: Collection[KeyState], now: float) -> None:
    """Refuse unless the key is in one of the admitted states."""
    state = key.state(now)
    if state in admitted:
        return
    if state is KeyState.DISABLED and admitted is not PENDING:
        raise disabled(key.arn)
    raise invalid_state(key.arn, _TEXTS.get(state, "not pending deletion"))
