"""LookupEvents of CloudTrail: this Region's events, newest first.

Source: CloudTrail API Reference, "LookupEvents": one attribute at most, 50 events a page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from sandbox.kms.authorization import authorize_account
from sandbox.kms.call import Call
from sandbox.kms.errors import Refusal
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service

Event = dict[str, Any]

_ATTRIBUTES: dict[str, Callable[[Event, str], bool]] = {
    "EventId": lambda event, value: event["eventID"] == value,
    "EventName": lambda event, value: event["eventName"] == value,
    "EventSource": lambda event, value: event["eventSource"] == value,
    "ReadOnly": lambda event, value: str(event["readOnly"]).lower() == value.lower(),
    "Username": lambda event, value: _user_name(event) == value,
    "AccessKeyId": lambda event, value: event["userIdentity"].get("accessKeyId") == value,
    "ResourceName": lambda event, value: any(item["ARN"] == value for item in event["resources"]),
    "ResourceType": lambda event, value: any(item["type"] == value for item in event["resources"]),
}


@operation("LookupEvents", service="cloudtrail", read_only=True, slow=True)
def lookup_events(service: Service, call: Call) -> Answer:
    """One page of the trail, filtered by one attribute and a range of times."""
    authorize_account(call, "cloudtrail:LookupEvents")
    wanted = call.parameters
    needle, matches = _attribute_filter(wanted.get("LookupAttributes", []))
    start, end = wanted.get("StartTime"), wanted.get("EndTime")
    if start is not None and end is not None and start > end:
        raise Refusal("InvalidTimeRangeException", "The start time is after the end time.")
    size = wanted.get("MaxResults", 50)
    found: list[Event] = []
    for position, line in service.trail.lines(call.region, _position(wanted)):
        event = _parsed(line) if needle in line else None  # most lines need no parsing
        if event is None or not matches(event):
            continue
        moment = datetime.fromisoformat(event["eventTime"]).timestamp()
        if start is not None and moment < int(start):
            break  # the file is in the order of time
        if end is not None and moment > end:
            continue
        found.append(_shown(event, moment, line))
        if len(found) == size:
            return {"Events": found, "NextToken": str(position)} if position else {"Events": found}
    return {"Events": found}


def _attribute_filter(attributes: list[dict[str, str]]) -> tuple[bytes, Callable[[Event], bool]]:
    """What must stand in a line for it to match, and the test of the event itself."""
    if len(attributes) > 1:
        message = "You can specify one lookup attribute at most."
        raise Refusal("InvalidLookupAttributesException", message)
    if not attributes:
        return b"", lambda _event: True
    test, value = _ATTRIBUTES[attributes[0]["AttributeKey"]], attributes[0]["AttributeValue"]
    return orjson.dumps(value)[1:-1], lambda event: test(event, value)


def _position(wanted: dict[str, Any]) -> int | None:
    token = wanted.get("NextToken")
    if token is None:
        return None
    if not token.isdecimal():
        raise Refusal("InvalidNextTokenException", "The token is not one of ours.")
    return int(token)


def _parsed(line: bytes) -> Event | None:
    try:
        event: Event = orjson.loads(line)
    except orjson.JSONDecodeError:  # cut short when the process was killed
        return None
    return event


def _user_name(event: Event) -> str:
    identity = event["userIdentity"]
    return str(identity.get("userName") or identity.get("arn", "").rpartition("/")[2])


def _shown(event: Event, moment: float, line: bytes) -> dict[str, Any]:
    return {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "ReadOnly": str(event["readOnly"]).lower(),
        "AccessKeyId": event["userIdentity"].get("accessKeyId", ""),
        "EventTime": moment,
        "EventSource": event["eventSource"],
        "Username": _user_name(event),
        "Resources": [
            {"ResourceType": item["type"], "ResourceName": item["ARN"]}
            for item in event["resources"]
        ],
        "CloudTrailEvent": line.decode(),
    }
