"""One plan for each tenant that needs it: a Region for the whole fleet, or its primaries moved to one.

Plans are started a few at a time, in the order of the slugs, so that workers and brokers have no million steps before
them. Nothing is remembered between runs: who has it is not asked again, and whoever runs it again goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from tenants.errors import TenantError
from tenants.kms.quotas import charges, rate
from tenants.models import RegionRule, Tenant
from tenants.selectors.region_fleet import Group, count_plans, group_fleet, list_fleet
from tenants.services.plans import Step
from tenants.states import OperationKind, PlanKind

_MOST_EXAMPLES: Final = 10
# What a step calls that has a low quota, where it is about, and where the primary is. Reads count by the thousand.
_CALLS: Final[Mapping[OperationKind, tuple[str, ...]]] = {
    OperationKind.APPLY_KEY_POLICY: ("PutKeyPolicy",),
    OperationKind.PUBLISH_KEY: ("TagResource", "CreateAlias", "PutParameter"),
}


@dataclass(frozen=True, slots=True)
class Wave:
    """The same for every tenant that needs it: which plan, how to start it, and which steps it has."""

    plan: PlanKind
    region: str
    start: Callable[[UUID], UUID | None]
    steps: Callable[[Tenant, Sequence[RegionRule]], list[Step]]


@dataclass(slots=True)
class WaveProgress:
    """What has come of a wave so far: plans started, and refusals by code with the slugs of some."""

    started: int = 0
    active: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def refuse(self, code: str, slug: str) -> None:
        """One tenant more that could not be given a plan."""
        self.refused[code] += 1
        if len(known := self.examples.setdefault(code, [])) < _MOST_EXAMPLES:
            known.append(slug)


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """What all plans of a wave take from one quota of AWS; `hours` if nobody else used it."""

    region: str
    api: str
    calls: int
    per_second: float
    hours: float


def run_wave(wave: Wave, *, at_once: int) -> Iterator[WaveProgress]:
    """Start plans, with at most `at_once` of them unfinished at any time; yields after each look, until all have one.

    A yield with `active` at `at_once` is the moment to wait a little. What a tenant's own state forbids is counted and
    passed over.
    """
    progress, after = WaveProgress(), ""
    while True:
        progress.active = count_plans(wave.plan).active
        if room := at_once - progress.active:
            page = list_fleet(wave.plan, wave.region, after=after, limit=max(room, 0))
            if not page and room > 0:
                return
            for tenant_id, slug in page:
                _start(wave, tenant_id, slug, progress)
                after = slug
        yield progress


def estimate(wave: Wave) -> list[QuotaUse]:
    """What the plans to be started take from each quota, the slowest first: its hours are those of the whole."""
    calls: Counter[tuple[str, str]] = Counter()
    for group in group_fleet(wave.plan, wave.region):
        for region, api in _calls_of(wave, group):
            calls[region, api] += group.tenants
    quotas = settings.GATEWAY_CALL_QUOTAS
    uses = [
        QuotaUse(
            region=region,
            api=api,
            calls=count,
            per_second=rate(region, api, quotas),
            hours=count / rate(region, api, quotas) / 3600,
        )
        for (region, api), count in calls.items()
    ]
    return sorted(uses, key=lambda use: (-use.hours, use.region, use.api))


def _start(wave: Wave, tenant_id: UUID, slug: str, progress: WaveProgress) -> None:
    try:
        started = wave.start(tenant_id)
    except TenantError as error:
        progress.refuse(error.code, slug)
    else:
        progress.started += started is not None


def _calls_of(wave: Wave, group: Group) -> Iterator[tuple[str, str]]:
    """Region and API of each call that one tenant's plan makes, twice where it counts twice."""
    primary = group.primary_region
    regions = sorted({*group.regions, wave.region})
    rules = [RegionRule(region=region, may_decrypt=["*"]) for region in regions]
    for step in wave.steps(Tenant(home_region=primary), rules):
        for region, operation, parameters in _made_by(step, primary):
            for charge in charges(region, operation, parameters, {"*": 1.0}):
                yield from [(charge.region, charge.api)] * round(charge.seconds)


def _made_by(step: Step, primary: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if step.kind == OperationKind.REPLICATE_KEY:
        yield primary, "ReplicateKey", {"ReplicaRegion": step.region}
    elif step.kind == OperationKind.UPDATE_PRIMARY_REGION:
        yield primary, "UpdatePrimaryRegion", {"PrimaryRegion": step.region}
    else:
        for operation in _CALLS.get(step.kind, ()):
            yield step.region, operation, {}
