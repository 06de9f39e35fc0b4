"""The key that a tenant moves to. Until it has moved, that key is in no table: it stands in the results of the plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from crypto.arn import KeyArn
from crypto.part import JsonValue
from tenants.services.work import Work
from tenants.states import KeyTier, OperationKind

_KEY: Final = "new_key"


def of_new_key(tier: KeyTier, primary_region: str, arn: str = "") -> dict[str, JsonValue]:
    """The arguments of a step that is about the key that the tenant moves to. `arn` is that of a key which is there
    already, and empty where a step of the plan makes it."""
    return {_KEY: {"tier": tier.value, "primary_region": primary_region, "arn": arn}}


def about_its_key(work: Work) -> Work:
    """The work as its handler gets it: about the tenant's own key, or about the one that the tenant moves to."""
    given = work.arguments.get(_KEY)
    if not isinstance(given, Mapping):
        return work
    made = work.earlier.get(OperationKind.CREATE_PRIMARY_KEY, {}).get("arn")
    arn = str(given["arn"] or made or "")
    return replace(
        work,
        of_new_key=True,
        tier=KeyTier(str(given["tier"])),
        pool_id=None,
        primary_region=str(given["primary_region"]),
        # Related keys share their id, so that one ARN tells all.
        arns={rule.region: KeyArn.parse(arn).in_region(rule.region) for rule in work.rules if arn},
        desired={},
    )
