"""EnableKey and DisableKey, each Region for itself."""

from __future__ import annotations

from dataclasses import replace

from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.keys import KeyState
from sandbox.kms.lookup import find_by_id
from sandbox.kms.records import Entity
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import require_state

_SWITCHABLE = frozenset({KeyState.ENABLED, KeyState.DISABLED})


@operation("EnableKey")
def enable_key(service: Service, call: Call) -> Answer:
    """Let the key be used again."""
    return _switch(service, call, "kms:EnableKey", enabled=True)


@operation("DisableKey")
def disable_key(service: Service, call: Call) -> Answer:
    """Stop every use of the key in this Region."""
    return _switch(service, call, "kms:DisableKey", enabled=False)


def _switch(service: Service, call: Call, action: str, *, enabled: bool) -> Answer:
    key = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, action, key)
    require_state(key, _SWITCHABLE, call.now)
    changes: list[Entity] = [replace(key, enabled=enabled)]
    key_set = service.store.key_set(key)
    overdue = (key_set.next_rotation_at or call.now) < call.now
    if enabled and overdue and service.store.is_primary(key):
        # A disabled key does not rotate; one that should have is rotated when it is enabled, and counts from then.
        changes.append(replace(key_set, next_rotation_at=call.now))
    service.store.put(*changes)
    return None
