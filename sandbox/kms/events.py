"""Events in CloudTrail's shape.

Field names: CloudTrail User Guide, "CloudTrail record contents"; AWS KMS Developer Guide, "CloudTrail log entries".
Plaintext, ciphertext and key material never get here: members of a request that are blobs are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import uuid4

from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.keys import Alias, RegionalKey

Event = dict[str, Any]

# CloudTrail's code for it, which is not the one that the caller is sent.
_ERROR_CODES = {"AccessDeniedException": "AccessDenied"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What was called: `source` is CloudTrail's eventSource; `secret` members of the request are left out."""

    name: str
    source: str
    read_only: bool
    secret: frozenset[str] = frozenset()


def event_of(
    action: Action,
    call: Call,
    *,
    user_agent: str,
    answer: dict[str, Any] | None = None,
    refusal: Refusal | None = None,
) -> Event:
    """The event of one call; `answer` or `refusal` is what the caller was told."""
    caller = call.identity.caller
    event: Event = {
        "eventVersion": "1.11",
        "userIdentity": _identity(caller.kind, caller.arn, caller.account, caller.issuer)
        | {
            "principalId": call.identity.principal_id,
            "accessKeyId": call.identity.access_key,
        },
        "eventTime": _moment(int(call.now)),
        "eventSource": action.source,
        "eventName": action.name,
        "awsRegion": call.region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": user_agent,
        "requestParameters": _request_parameters(action, call),
        # Of what only reads, uses of keys among it, CloudTrail keeps no answer.
        "responseElements": None if action.read_only else _lowered(answer),
        "requestID": call.request_id,
        "eventID": str(uuid4()),
        "readOnly": action.read_only,
        "resources": [_resource(item) for item in call.touched],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.account,
        "eventCategory": "Management",
    }
    if call.material_id:
        event["additionalEventData"] = {"keyMaterialId": call.material_id}
    if refusal is not None:
        event["errorCode"] = _ERROR_CODES.get(refusal.code, refusal.code)
        event["errorMessage"] = refusal.message
    return event


# What KMS does on its own is no call of the API, except to CloudTrail this one.
_OWN_CALLS = frozenset({"SynchronizeMultiRegionKey"})


def own_event(name: str, key: RegionalKey, moment: float, **details: str) -> Event:
    """The event of what KMS did with a key on its own, at that moment.

    Source: AWS KMS Developer Guide, the log entries of DeleteKey, RotateKey, DeleteExpiredKeyMaterial and
    SynchronizeMultiRegionKey.
    """
    is_call = name in _OWN_CALLS
    event: Event = {
        "eventVersion": "1.11",
        "userIdentity": {"accountId": key.account, "invokedBy": "AWS Internal"},
        "eventTime": _moment(int(moment)),
        "eventSource": "kms.amazonaws.com",
        "eventName": name,
        "awsRegion": key.region,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": {"keyId": key.arn} if is_call else None,
        "eventID": str(uuid4()),
        "readOnly": False,
        "resources": [_resource(key)],
        "eventType": "AwsApiCall" if is_call else "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": key.account,
        "eventCategory": "Management",
    }
    if is_call:
        return event | {"requestID": str(uuid4())}
    return event | {"serviceEventDetails": {"keyId": key.key_id, **details}}


# Members of answers that would let a reader of the trail act as somebody.
_CREDENTIALS = frozenset({"GrantToken", "SecretAccessKey", "SessionToken"})


def _lowered(value: Any) -> Any:
    """The same with names as CloudTrail writes them, `keyId` for `KeyId`, and without what nobody may read there."""
    if isinstance(value, dict):
        return {
            name[0].lower() + name[1:]: _lowered(item)
            for name, item in value.items()
            if name not in _CREDENTIALS
        }
    if isinstance(value, list):
        return [_lowered(item) for item in value]
    return value


def _request_parameters(action: Action, call: Call) -> dict[str, Any]:
    return {
        name[0].lower() + name[1:]: value
        for name, value in call.parameters.items()
        if name not in action.secret
    }


def _resource(item: RegionalKey | Alias) -> dict[str, str]:
    kind = "AWS::KMS::Key" if isinstance(item, RegionalKey) else "AWS::KMS::Alias"
    return {"accountId": item.account, "type": kind, "ARN": item.arn}


@lru_cache(maxsize=1024)
def _identity(kind: str, arn: str, account: str, issuer: str) -> dict[str, Any]:
    name = arn.rpartition("/")[2]
    identity: dict[str, Any] = {"type": kind, "arn": arn, "accountId": account}
    if kind == "IAMUser":
        return identity | {"userName": name}
    if kind == "Root":
        return identity
    role = issuer.rpartition("/")[2]
    session_issuer = {"type": "Role", "arn": issuer, "accountId": account, "userName": role}
    return identity | {"sessionContext": {"sessionIssuer": session_issuer}}


@lru_cache(maxsize=8)
def _moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
