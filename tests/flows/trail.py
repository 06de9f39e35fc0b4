"""What the KMS of each Region recorded: CloudTrail-shaped events, and which of them concern one tenant's data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sandbox.kms.trail import read_events
from tests.stack import REGIONS, Stack


@dataclass(frozen=True, slots=True)
class Use:
    """One call of the data plane: which action, in which Region, on which key, by which role, and its error code."""

    action: str
    region: str
    key_region: str
    role: str
    classification: str
    error: str


def uses_of(stack: Stack, tenant_id: UUID) -> list[Use]:
    """Every GenerateDataKey and Decrypt with this tenant in its encryption context, in all Regions."""
    return [
        _use(event)
        for region in REGIONS
        for event in read_events(stack.home.path / "kms" / "trail" / f"{region}.jsonl")
        if _context(event).get("tenant") == tenant_id.hex
    ]


@contextmanager
def recorded(stack: Stack, tenant_id: UUID) -> Iterator[list[Use]]:
    """The calls that the block caused, in the list once it has ended."""
    before = Counter(uses_of(stack, tenant_id))
    uses: list[Use] = []
    yield uses
    uses += (Counter(uses_of(stack, tenant_id)) - before).elements()


def _context(event: dict[str, Any]) -> dict[str, str]:
    return (event.get("requestParameters") or {}).get("encryptionContext") or {}


def _use(event: dict[str, Any]) -> Use:
    resources = event["resources"]
    return Use(
        action=event["eventName"],
        region=event["awsRegion"],
        key_region=resources[0]["ARN"].split(":")[3] if resources else "",
        role=event["userIdentity"]["arn"].split("/")[1],
        classification=_context(event)["class"],
        error=event.get("errorCode", ""),
    )
