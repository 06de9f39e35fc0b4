"""How many calls a second AWS admits, by API, in each account and Region: its defaults, and what one call takes.

Sources: AWS KMS Developer Guide, "Request quotas" (also that ReplicateKey takes two CreateKey in the Region of the
replica, and that UpdatePrimaryRegion counts in both Regions); AWS General Reference, "Systems Manager endpoints and
quotas" (Parameter Store); CloudTrail API Reference, "LookupEvents". Where AWS names no figure, ours is careful.
AWS raises most of them on request: then `GATEWAY_CALL_QUOTAS` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

CALLS_PER_SECOND: Final[Mapping[str, float]] = {
    **dict.fromkeys(("CreateKey", "ReplicateKey", "UpdatePrimaryRegion", "RotateKeyOnDemand"), 5),
    **dict.fromkeys(("EnableKey", "DisableKey", "CancelKeyDeletion", "DisableKeyRotation"), 5),
    **dict.fromkeys(("CreateAlias", "UpdateAlias", "UntagResource", "UpdateKeyDescription"), 5),
    **dict.fromkeys(
        ("PutKeyPolicy", "ScheduleKeyDeletion", "DeleteAlias", "EnableKeyRotation"), 15
    ),
    "TagResource": 10,
    **dict.fromkeys(("PutParameter", "DeleteParameter"), 3),
    "GetParameter": 40,
    "GetResources": 15,
    "LookupEvents": 2,
}
# For a call that changes something and is not in the table: the lowest that AWS KMS has for its administration.
_UNKNOWN: Final = 5.0
_READS: Final = ("Get", "Describe", "List")
EVERY_API: Final = "*"


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call takes from one quota: `seconds` is the time after which as much has dripped in again."""

    region: str
    api: str
    seconds: float


def charges(
    region: str, operation: str, parameters: Mapping[str, Any], quotas: Mapping[str, float]
) -> list[Charge]:
    """All that a call takes, in a fixed order; nothing for a read that AWS admits by the thousand.

    `quotas` are those that differ from the defaults: `CreateKey`, `eu-west-1:CreateKey`, or `*` for every API.
    """
    found = [
        Charge(place, api, calls / rate(place, api, quotas))
        for place, api, calls in _taken(region, operation, parameters)
    ]
    return sorted(found, key=lambda charge: (charge.region, charge.api))


def rate(region: str, api: str, quotas: Mapping[str, float]) -> float:
    """Calls a second: what is configured for this Region, for this API, for all; else AWS's default."""
    for name in (f"{region}:{api}", api, EVERY_API):
        if name in quotas:
            return quotas[name]
    return CALLS_PER_SECOND.get(api, _UNKNOWN)


def _taken(
    region: str, operation: str, parameters: Mapping[str, Any]
) -> Iterator[tuple[str, str, int]]:
    if operation in CALLS_PER_SECOND or not operation.startswith(_READS):
        yield region, operation, 1
    if operation == "ReplicateKey":
        yield str(parameters["ReplicaRegion"]), "CreateKey", 2
    if operation == "UpdatePrimaryRegion":
        yield str(parameters["PrimaryRegion"]), operation, 1
