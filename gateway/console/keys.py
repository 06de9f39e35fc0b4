"""What the page of keys says: the key of each Region with its drift, and what may be done there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.console.labels import DRIFTS
from gateway.console.plans import state_of
from gateway.console.words import plain
from tenants.selectors import Progress, RegionalKeyView, RuleView, TenantView
from tenants.selectors.drift import DriftView, RegionalDrift
from tenants.selectors.key_tiers import KeyTierView


@dataclass(frozen=True, slots=True)
class KeyRow:
    """The key of one Region. `is_leaving`: the tenant has no rule there any more, and the key waits for its end."""

    key: RegionalKeyView
    drift: RegionalDrift | None
    is_leaving: bool
    is_primary: bool

    @property
    def found(self) -> tuple[DriftView, ...]:
        """What drifts."""
        return self.drift.drift if self.drift else ()


@dataclass(frozen=True, slots=True)
class Doable:
    """What of the tenant's key may be done at all, whoever asks: an active tenant's, and its own key."""

    is_active: bool
    is_own: bool

    @property
    def repair(self) -> bool:
        """Only a key of our own making is repaired."""
        return self.is_active and self.is_own

    @property
    def regions(self) -> bool:
        """Regions of any tenant may change."""
        return self.is_active


def key_rows(
    keys: Iterable[RegionalKeyView],
    drift: Iterable[RegionalDrift],
    rules: Iterable[RuleView],
    tier: KeyTierView,
) -> list[KeyRow]:
    """The primary first, then by Region, as the selector has them."""
    drift_of = {each.region: each for each in drift}
    ruled = {rule.region for rule in rules}
    return [
        KeyRow(
            key=key,
            drift=drift_of.get(key.region),
            is_leaving=key.region not in ruled,
            is_primary=key.region == tier.primary_region,
        )
        for key in keys
    ]


def doable(tenant: TenantView, tier: KeyTierView) -> Doable:
    """What may be done."""
    return Doable(is_active=tenant.state == "active", is_own=tier.tier == "dedicated")


def free_regions(known: Sequence[str], rows: Iterable[KeyRow]) -> list[str]:
    """The Regions of this deployment in which the tenant has no key."""
    used = {row.key.region for row in rows}
    return [region for region in known if region not in used]


def differences(one: DriftView) -> list[str]:
    """What differs, a line each: of a key policy its statements, of all else what is desired and what was found."""
    name = DRIFTS.get(one.what) or plain(one.what)
    if one.statements:
        return [f"{name}: {each['text']}" for each in one.statements]
    return [f"{name}: desired is {one.desired}, found was {one.found}"]


def under_way(progress: Progress) -> str:
    """The word for the newest plan where it is not finished, else ""."""
    if not progress.total or progress.is_finished:
        return ""
    return state_of(progress)
