"""The active tenants and their keys in the target Region, as the tables say: all of them, in large batches that the
database itself judges. A failover waits for this: of 100,000 tenants, a few names are told and a few keys kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db import connections

from crypto.arn import KeyArn
from tenants.scope import fleet_scope, scope_alias
from tenants.selectors.keys import RuleView
from tenants.services.failover.journal import MOST_NAMES, Journal, Severity
from tenants.states import KeyTier

_BATCH: Final = 20_000
# What is judged of each key. Of an external key the tables know neither state nor policy.
_WRONG: Final = {
    "key_not_enabled": (
        Severity.BLOCKER,
        "The tenant's key in {} is not enabled.",
        "tier <> 'external' and key_state <> 'Enabled'",
    ),
    "policy_not_in_force": (
        Severity.BLOCKER,
        "The key policy in {} is not in force.",
        "tier <> 'external' and (applied = '' or applied <> desired)",
    ),
    "key_not_verified": (
        Severity.WARNING,
        "The key in {} was never verified.",
        "verified_at is null",
    ),
    "key_drifts": (
        Severity.WARNING,
        "The key in {} differs from what it should be.",
        "drift <> '[]'::jsonb",
    ),
}
_JUDGED: Final = "".join(
    f", count(*) filter (where {wrong}), (array_agg(slug) filter (where {wrong}))[:{MOST_NAMES}]"
    for _, _, wrong in _WRONG.values()
)
# Each row has a random number: the smallest of all batches are a fair sample of all tenants.
_BATCHES: Final = f"""
    with active as materialized (
        select t.id, t.slug, k.tier from tenants_tenant t join tenants_tenantkey k on k.tenant_id = t.id
        where t.state = 'active' and t.kind = 'customer' and t.id > %(after)s order by t.id limit %(batch)s
    ), here as materialized (
        select a.id, a.slug, a.tier, g.arn, g.key_state, g.verified_at, g.drift, random() as place,
            g.desired_fingerprint as desired, g.applied_fingerprint as applied, r.may_encrypt, r.may_decrypt
        from active a
        join tenants_regionalkey g on g.tenant_id = a.id and g.region = %(region)s and g.arn <> ''
        join tenants_regionrule r on r.tenant_id = a.id and r.region = %(region)s
    ), sample as (
        select place, id, slug, tier, arn, desired, may_encrypt, may_decrypt
        from here order by place limit %(sample)s
    )
    select (select id from active order by id desc limit 1), (select count(*) from active),
        (select json_agg(sample)::text from sample), count(*) {_JUDGED}
    from here
"""  # noqa: S608 - all of it is ours
_FIRST: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class KeyHere:
    """A tenant's key in the target Region, and what its rule lets the Region do."""

    tenant_id: UUID
    slug: str
    tier: KeyTier
    arn: KeyArn
    desired: str
    rule: RuleView

    @property
    def context_id(self) -> str:
        """The tenant id of the encryption context (`Tenant.context_id`)."""
        return self.tenant_id.hex


@dataclass(slots=True)
class Fleet:
    """The active tenants, those that the target serves, and the sample of these that is looked at closely."""

    tenants: int = 0
    served: int = 0
    sample: list[KeyHere] = field(default_factory=list)


def look_at_tables(journal: Journal, target: str, *, sample: int | None) -> Fleet:
    """Go through all active tenants; `sample` is how many to keep for a closer look, None for all."""
    fleet, kept = Fleet(), list[dict[str, Any]]()
    counts = dict.fromkeys(_WRONG, 0)
    names: dict[str, list[str]] = {code: [] for code in _WRONG}
    for tenants, rows, served, *found in _batches(target, sample):
        fleet.tenants += tenants
        fleet.served += served
        for code, count, slugs in zip(_WRONG, found[::2], found[1::2], strict=True):
            counts[code] += count
            names[code] += slugs or []
        kept = sorted(kept + json.loads(rows or "[]"), key=lambda row: row["place"])[:sample]
    for code, (severity, text, _) in _WRONG.items():
        if counts[code]:
            journal.find(severity, code, text.format(target), names[code], counts[code])
    if away := fleet.tenants - fleet.served:
        text = f"Tenants whose rules do not name {target}: other Regions go on serving them."
        journal.find(Severity.FACT, "not_served_here", text, count=away)
    fleet.sample = [_key(target, row) for row in kept]
    return fleet


def _batches(target: str, sample: int | None) -> Iterator[tuple[Any, ...]]:
    """How many tenants, those of them that may come into the sample, how many are served, and what is wrong."""
    given: dict[str, Any] = {"after": _FIRST, "region": target, "batch": _BATCH, "sample": sample}
    while True:
        with fleet_scope("read"), connections[scope_alias()].cursor() as cursor:
            cursor.execute(_BATCHES, given)
            last, *found = cursor.fetchone()
        if last is None:
            return
        yield tuple(found)
        given |= {"after": last}


def _key(target: str, row: dict[str, Any]) -> KeyHere:
    return KeyHere(
        tenant_id=UUID(row["id"]),
        slug=row["slug"],
        tier=KeyTier(row["tier"]),
        arn=KeyArn.parse(row["arn"]),
        desired=row["desired"],
        rule=RuleView(target, row["may_encrypt"], tuple(row["may_decrypt"])),
    )
