"""ScheduleKeyDeletion and CancelKeyDeletion.

Source: AWS KMS Developer Guide, "Deleting multi-Region keys": a primary with replicas waits for the last of them to be
deleted, and only then does its own waiting period begin.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sandbox.kms.authorization import authorize_key
from sandbox.kms.call import Call
from sandbox.kms.errors import invalid
from sandbox.kms.lookup import find_by_id
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.states import MANAGEABLE, PENDING, require_state

_DAY = 86_400


@operation("ScheduleKeyDeletion")
def schedule_key_deletion(service: Service, call: Call) -> Answer:
    """Stop every use of the key at once, and delete it after the waiting period (7 to 30 days)."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    days = call.parameters.get("PendingWindowInDays", 30)
    if not 7 <= days <= 30:
        raise invalid("PendingWindowInDays must be between 7 and 30.")
    conditions = {"kms:schedulekeydeletionpendingwindowindays": (str(days),)}
    authorize_key(service, call, "kms:ScheduleKeyDeletion", key, conditions)
    require_state(key, MANAGEABLE, call.now)
    has_replicas = service.store.is_primary(key) and len(service.store.related(key)) > 1
    deletion_at = None if has_replicas else call.now + days * _DAY
    pending = replace(key, pending_days=days, deletion_at=deletion_at)
    service.store.put(pending)
    answer: dict[str, Any] = {
        "KeyId": key.arn,
        "KeyState": pending.state(call.now).value,
        "PendingWindowInDays": days,
    }
    return answer if deletion_at is None else answer | {"DeletionDate": deletion_at}


@operation("CancelKeyDeletion")
def cancel_key_deletion(service: Service, call: Call) -> Answer:
    """Keep the key. It is Disabled then, and must be enabled on purpose."""
    key = find_by_id(service, call, call.parameters["KeyId"])
    authorize_key(service, call, "kms:CancelKeyDeletion", key)
    require_state(key, PENDING, call.now)
    service.store.put(replace(key, pending_days=None, deletion_at=None, enabled=False))
    return {"KeyId": key.arn}
